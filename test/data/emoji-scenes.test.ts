import { createRequire } from "node:module";
import fc from "fast-check";
import t from "tap";
import { EMOJI_SPLITS, EmojiScenes, type Scene } from "../../src/data/emoji-scenes/emoji-scenes.ts";
import {
  isHeldOut,
  KINDS,
  type Kind,
  type Level,
  TRAIN_STYLES,
  UNSEEN_STYLES,
} from "../../src/data/emoji-scenes/nouns.ts";
import { thingDistribution } from "../../src/data/emoji-scenes/plan.ts";
import { hasDrawing, iconNames, sprite } from "../../src/data/emoji-scenes/sprites.ts";
import { Tokenizer } from "../../src/data/tokenizer.ts";
import { vocabularyOf } from "../../src/data/vocabulary.ts";

const STYLES = [...TRAIN_STYLES, ...UNSEEN_STYLES];
const basic = new EmojiScenes({ seed: 7 });
const hard = new EmojiScenes({ seed: 7, level: "hard" });
const draw = (dataset: EmojiScenes, split: string, n: number) =>
  Array.from({ length: n }, (_, i) => dataset.sample(split, i));
const indexOf = (level: Level, { noun, color }: Pick<Kind, "noun" | "color">) =>
  KINDS[level].findIndex((kind) => kind.noun === noun && kind.color === color);
const heldOutPairs = (level: Level, { things }: Scene) =>
  things.flatMap((a, i) => things.slice(i + 1).filter((b) => isHeldOut(indexOf(level, a), indexOf(level, b)))).length;
const sameScene = ({ image, ...a }: Scene, { image: other, ...b }: Scene) =>
  JSON.stringify(a) === JSON.stringify(b) && Buffer.compare(Buffer.from(image.buffer), Buffer.from(other.buffer)) === 0;
const describesItself = (scene: Scene) =>
  scene.things.every(({ noun, color, words: [start, end] }) => {
    const words = scene.caption.split(" ");
    return words.slice(start, end).join(" ") === noun && (!color || words[start - 1] === color);
  });

t.test(
  "nouns: 32 of them, each the name or a keyword of its emoji, drawn in all styles but for fxemoji's apple and tree",
  async (t) => {
    const keywords = createRequire(import.meta.url)("emojilib") as Record<string, string[]>;
    t.equal(KINDS.basic.length, 32);
    for (const kind of KINDS.basic) {
      const names = [...iconNames(kind).slice(0, 1), ...(keywords[kind.emoji] ?? [])];
      t.ok(
        names.some((name) => name.split(/[-_ ]/).includes(kind.noun)),
        `${kind.noun} is among ${names.join(", ")}`,
      );
      for (const style of STYLES)
        t.equal(
          hasDrawing(style, kind),
          !(style === "fxemoji" && ["apple", "tree"].includes(kind.noun)),
          style + kind.noun,
        );
    }
  },
);

t.test(
  "hard level: a drawing has the hue of its colour word, and every colour is drawn in three styles or more",
  async (t) => {
    const hues = {
      red: [-15, 15],
      orange: [15, 40],
      yellow: [40, 60],
      green: [60, 160],
      blue: [190, 220],
      purple: [255, 300],
    };
    for (const kind of KINDS.hard.filter(({ color }) => color)) {
      const drawn = STYLES.filter((style) => hasDrawing(style, kind));
      t.ok(drawn.length >= 3, `${kind.color} ${kind.noun}: ${drawn.length} styles`);
      for (const style of drawn) {
        const [low, high] = hues[kind.color as keyof typeof hues] as [number, number];
        const hue = meanHue(sprite(style, kind, 32).color);
        t.ok(
          [hue, hue - 360].some((h) => h >= low && h <= high),
          `${style}: ${kind.color} ${kind.noun} has hue ${hue}`,
        );
      }
    }
  },
);

/** Degrees on the colour circle, averaged with the chroma of each pixel as its weight. */
function meanHue(color: Float32Array): number {
  const area = color.length / 3;
  let [x, y] = [0, 0];
  for (let i = 0; i < area; i++) {
    const [r, g, b] = [color[i]!, color[area + i]!, color[2 * area + i]!];
    x += r - (g + b) / 2;
    y += (Math.sqrt(3) / 2) * (g - b);
  }
  return ((Math.atan2(y, x) * 180) / Math.PI + 360) % 360;
}

t.test("splits: styles, held-out pairings and numbers of things are those of the grammar", async (t) => {
  for (const dataset of [basic, hard])
    for (const split of EMOJI_SPLITS) {
      const scenes = draw(dataset, split, 600);
      const counts = [1, 2, 3].map((n) => scenes.filter(({ things }) => things.length === n).length / scenes.length);
      const held = scenes
        .filter(({ things }) => things.length > 1)
        .map((scene) => heldOutPairs(dataset.level, scene) > 0);
      t.ok(
        held.every((isHeld) => isHeld === (split !== "train")),
        `${dataset.level} ${split}: held-out pairings`,
      );
      t.strictSame(
        [...new Set(scenes.map(({ style }) => style))].sort(),
        [...(split === "unseen-style" ? UNSEEN_STYLES : TRAIN_STYLES)].sort(),
      );
      const expected = split === "unseen-pairs" ? [0, 1 / 2, 1 / 2] : [1 / 3, 1 / 3, 1 / 3];
      t.ok(
        counts.every((part, i) => Math.abs(part - expected[i]!) < 0.08),
        `${split}: ${counts}`,
      );
      t.ok(scenes.every(({ image }) => image.every((value) => value >= -1 && value <= 1)));
      t.ok(scenes.every(describesItself), "things stand where the caption says");
    }
  t.strictSame(thingDistribution(0), [1, 0, 0]);
  t.strictSame(
    thingDistribution(0.075).map((part) => part.toFixed(12)),
    [2 / 3, 1 / 6, 1 / 6].map((part) => part.toFixed(12)),
  );
  t.strictSame(
    thingDistribution(1).map((part) => part.toFixed(12)),
    [1 / 3, 1 / 3, 1 / 3].map((part) => part.toFixed(12)),
  );
  t.ok(
    draw(basic, "validation", 50).every(({ things }) => things.length),
    "validation does not follow the curriculum",
  );
  t.ok([...Array(50).keys()].every((i) => basic.sample("train", i, { progress: 0 }).things.length === 1));
  t.throws(() => basic.sample("test", 0), { message: /no split "test"; there are train, validation/ });
  t.throws(() => basic.sample("train", -1), { message: /no sample -1/ });
  t.throws(() => new EmojiScenes({ height: 8 }), { message: /16 pixels or more a side/ });
});

t.test("captions: only known words, the sentences of the grammar, relations that hold", async (t) => {
  t.equal(basic.vocabulary(200).length, 53);
  t.equal(basic.vocabulary(200).filter((token) => token.startsWith("##")).length, 8);
  t.throws(() => hard.vocabulary(60), { message: /captions need \d+ tokens, the vocabulary has 60/ });
  const patterns = new Set(
    draw(basic, "train", 400).map(({ caption, things }) => {
      return caption
        .split(" ")
        .map((word) => (things.some(({ noun }) => noun === word) ? "X" : word))
        .join(" ");
    }),
  );
  t.strictSame(
    [...patterns].sort(),
    [
      "a X , a X and a X",
      "a X",
      "a X and a X",
      "a X and a X with a X",
      "a X next to a X",
      "a X with a X",
      "a photo of a X",
    ].sort(),
  );
  const known = new Set(hard.vocabulary(200).join(" ").replaceAll(" ##", "").split(" "));
  const scenes = draw(hard, "validation", 400);
  for (const word of scenes.flatMap(({ caption }) => caption.split(" "))) if (!known.has(word)) t.fail(word);
  const related = scenes.filter(({ relation }) => relation);
  t.ok(related.length > 100);
  for (const {
    relation,
    things: [a, b],
    caption,
  } of related as (Scene & { things: [Scene["things"][0], Scene["things"][0]] })[]) {
    const [from, to] = /left|right/.test(relation!) ? [a!.box.x, b!.box.x] : [a!.box.y, b!.box.y];
    t.ok(caption.includes(`${a!.noun} ${relation} a `));
    t.ok(/left|above/.test(relation!) ? from + a!.box.width <= to : to + b!.box.width <= from, caption);
  }
});

t.test(
  "boxes: inside the picture, apart from each other, and only there does the picture differ from its background",
  async (t) => {
    for (const [height, width] of [
      [48, 48],
      [32, 32],
      [96, 128],
    ] as const) {
      const dataset = new EmojiScenes({ seed: 1, height, width });
      for (const { image, things } of draw(dataset, "validation", 40)) {
        const inside = (x: number, y: number) =>
          things.filter(({ box }) => x >= box.x && y >= box.y && x < box.x + box.width && y < box.y + box.height)
            .length;
        for (const { box } of things)
          t.ok(box.x >= 0 && box.y >= 0 && box.x + box.width <= width && box.y + box.height <= height);
        const painted = new Array<number>(things.length).fill(0);
        for (let y = 0; y < height; y++) {
          const free = Array.from({ length: width }, (_, x) => x).find((x) => inside(x, y) === 0);
          for (let x = 0; x < width; x++) {
            if (inside(x, y) > 1) t.fail("boxes overlap");
            if (free === undefined || image[y * width + x] === image[y * width + free]) continue;
            const at = things.findIndex(
              ({ box }) => x >= box.x && x < box.x + box.width && y >= box.y && y < box.y + box.height,
            );
            if (at < 0) t.fail(`paint outside every box at ${x}, ${y}`);
            else painted[at]!++;
          }
        }
        t.ok(
          painted.every((n, i) => n > 0.1 * things[i]!.box.width ** 2),
          "every box shows something",
        );
      }
    }
  },
);

t.test("scene i is the same drawn in any order and by any instance of the data set", async (t) => {
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.nat(1e6), { minLength: 2, maxLength: 5 }),
      fc.constantFrom(...EMOJI_SPLITS),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (indices, split, progress) => {
        const again = new EmojiScenes({ seed: 7, level: "hard" });
        const forth = indices.map((i) => hard.sample(split, i, { progress }));
        const back = [...indices]
          .reverse()
          .map((i) => again.sample(split, i, { progress }))
          .reverse();
        return t.ok(forth.every((scene, at) => sameScene(scene, back[at]!)));
      },
    ),
    { numRuns: 30 },
  );
  t.notOk(sameScene(basic.sample("train", 0), new EmojiScenes({ seed: 8 }).sample("train", 0)), "the seed matters");
});

t.test("hard negatives: one thing differs; swapped relations are the opposite ones", async (t) => {
  const names = ({ things }: Scene) => things.map(({ noun, color }) => `${color ?? ""} ${noun}`);
  let kept = 0;
  let opposed = 0;
  for (let i = 0; i < 200; i++) {
    const scene = hard.sample("validation", i);
    const swapped = hard.hardNegative("thing", "validation", i)!;
    const differing = names(scene).filter((name, at) => name !== names(swapped)[at]);
    t.equal(differing.length, 1);
    t.notOk(names(swapped).includes(differing[0]!), "what was taken away is nowhere else");
    t.equal(new Set(names(swapped)).size, scene.things.length);
    t.ok(describesItself(swapped));
    t.equal(swapped.style, scene.style);
    if (scene.things.every(({ box }, at) => JSON.stringify(box) === JSON.stringify(swapped.things[at]!.box))) kept++;
    const turned = hard.hardNegative("relation", "validation", i);
    t.equal(turned === null, scene.relation === undefined);
    if (!turned) continue;
    opposed++;
    t.strictSame(names(turned), names(scene));
    t.strictSame(
      [scene.relation, turned.relation].map((relation) => relation!.replace(/to the | of/g, "")).sort(),
      /left|right/.test(scene.relation!) ? ["left", "right"] : ["above", "below"],
    );
    t.strictSame(turned.things[0]!.box, scene.things[1]!.box);
  }
  t.ok(kept > 70 && kept < 130, `${kept} of 200 kept their places`);
  t.ok(opposed > 50);
});

t.test("the vocabulary and the longest caption are as large as the data set says", async (t) => {
  for (const scenes of [basic, hard]) {
    const tokenizer = new Tokenizer(scenes.vocabulary(200));
    const lengths = Array.from({ length: 2000 }, (_, i) => {
      return tokenizer.encode(scenes.sample("validation", i).caption).ids.length;
    });
    t.equal(tokenizer.vocabulary.length, vocabularyOf(scenes.needs.words).length);
    t.equal(Math.max(...lengths), scenes.needs.length, scenes.level);
  }
});
