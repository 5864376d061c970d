/** The drawings: one hand a style. Trained on are those under Apache or MIT licences; twemoji (CC-BY) is only tested on. */
export const TRAIN_STYLES = ["noto", "noto-v1", "fluent-emoji-flat", "fxemoji"] as const;
export const UNSEEN_STYLES = ["twemoji"] as const;
export type Style = (typeof TRAIN_STYLES)[number] | (typeof UNSEEN_STYLES)[number];

/** `basic`: things and places. `hard`: also colours, and relations between the places. */
export type Level = "basic" | "hard";

/** What a scene can show, and how a caption calls it. */
export interface Kind {
  readonly noun: string;
  readonly color?: string;
  /** The character whose name in `unicode-emoji-json` is the name of the drawing. */
  readonly emoji: string;
  /** Other names of the drawing, for sets that do not follow Unicode's. */
  readonly aliases: readonly string[];
}

/**
 * The 32 nouns. A noun that two pieces make up is written with a bar between them: eight of them, so that whole word
 * masking has something to do.
 */
const NOUNS = `🐱cat 🐷pig 🐸frog 🐘elephant 🐧penguin 🐔chicken 🐙octopus 🐢turtle 🐋whale 🐴horse 🌹rose 🌻sun|flower
  🌵cactus 🍄mush|room 🍇grapes 🍉water|melon 🍌banana 🍓straw|berry 🍔ham|burger 🍩dough|nut 🚌bus 🚕taxi ✈️air|plane
  🚀rocket ☂️umbrella 🌈rain|bow 🎈balloon 🎸guitar 👑crown 🔔bell 🍎apple 🌳tree`;

/**
 * The nouns that every style draws in several colours. The colour is the drawing's own and as much a part of it as its
 * outline: nothing is tinted, and a colour word always tells apart two things that a scene could show. A word such as
 * "a yellow banana" would be as true, but would say nothing that the noun does not.
 */
const COLORED = `🍎apple/red=redapple 🍏apple/green=greenapple 📕book/red=closedbook 📗book/green=greenbook
  📘book/blue=bluebook 📙book/orange=orangebook ❤️heart/red=redheart 💙heart/blue=heartblue 💚heart/green=heartgreen
  💛heart/yellow=heartyellow 💜heart/purple=heartpurple 🔴circle/red=largeredcircle 🔵circle/blue=largebluecircle`;

/**
 * Drawings that are not used: those whose mean hue is not the colour of their name (noto-v1's red heart is pink,
 * fxemoji's green book is teal; red is 345–15°, orange 15–40°, yellow 40–60°, green 60–160°, blue 190–220°, purple
 * 255–300°), and fxemoji's blue heart, of which the set has but a corner.
 */
const UNFIT: Readonly<Partial<Record<Style, string>>> = {
  "noto-v1": "📕 ❤️",
  "fluent-emoji-flat": "📕 📙",
  fxemoji: "📗 💚 💙",
};

/** Whether a style's drawing of a kind shows what its name says. */
export function isFit(style: Style, { emoji }: Kind): boolean {
  return !UNFIT[style]?.split(" ").includes(emoji);
}

const basicEntries = NOUNS.split(/\s+/).map((entry) => {
  const [, emoji, spelled] = /^(\P{ASCII}+)(.+)$/u.exec(entry)!;
  return { emoji: emoji!, pieces: spelled!.split("|") };
});

const basicKinds: readonly Kind[] = basicEntries.map(({ emoji, pieces }) => {
  const noun = pieces.join("");
  return { noun, emoji, aliases: [noun] };
});

const coloredKinds: readonly Kind[] = COLORED.split(/\s+/).map((entry) => {
  const [, emoji, noun, color, alias] = /^(\P{ASCII}+)(\w+)\/(\w+)=(\w+)$/u.exec(entry)!;
  return { noun: noun!, color: color!, emoji: emoji!, aliases: [alias!] };
});

/** What scenes of a level show; the index of a kind decides its held-out pairings. */
export const KINDS: Readonly<Record<Level, readonly Kind[]>> = {
  basic: basicKinds,
  hard: [...basicKinds.filter(({ noun }) => noun !== "apple"), ...coloredKinds],
};

/** Whether kinds i and j never stand together in a training scene. */
export function isHeldOut(i: number, j: number): boolean {
  return (31 * Math.min(i, j) + 17 * Math.max(i, j)) % 10 === 0;
}

/** Every word that captions of a level use, one that is cut into pieces as the list of them. */
export function captionWords(level: Level): (string | readonly string[])[] {
  const functionWords = ["a", "photo", "of", "and", "next", "to", "with", ","];
  const relationWords = ["the", "left", "right", "above", "below"];
  const colors = [...new Set(coloredKinds.map(({ color }) => color!))];
  const nouns = basicEntries.map(({ pieces }) => (pieces.length > 1 ? pieces : pieces[0]!));
  if (level === "basic") return [...functionWords, ...nouns];
  return [...functionWords, ...relationWords, ...colors, ...nouns, "book", "heart", "circle"];
}
