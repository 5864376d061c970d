import { Rng } from "../../tensor/rng.ts";
import type { Box, SampleOptions, TextNeeds, Thing } from "../dataset.ts";
import type { Question, Questions } from "../examples.ts";
import { RELATIONS, type Relation } from "./caption.ts";
import type { EmojiScenes, Scene } from "./emoji-scenes.ts";
import { KINDS } from "./nouns.ts";

/** A question with every answer that is right. */
interface Asked {
  readonly kind: string;
  readonly question: string;
  readonly right: readonly string[];
}

/** A way to ask about a scene; null where the scene has nothing to ask about in that way. */
type Asker = (scene: Scene, nouns: readonly string[], rng: Rng) => Asked | null;

const ANNOTATORS = 10;
const WORDS = ["what", "is", "are", "how", "many", "things", "there", "in", "picture", "colour", "?", "##s"];
/** "what is to the right of the water ##melon ?" with [CLS] and [SEP]. */
const LONGEST = 12;

const quantity = (count: number) => String(count);

function countThings({ things }: Scene): Asked {
  return { kind: "count", question: "how many things are there ?", right: [quantity(things.length)] };
}

/** Of the nouns that come in colours, as only these can stand in a scene more than once. */
function countNoun({ things }: Scene, _: readonly string[], rng: Rng): Asked | null {
  const colored = things.filter(({ color }) => color);
  if (colored.length === 0) return null;
  const { noun } = rng.choice(colored);
  const count = things.filter((thing) => thing.noun === noun).length;
  return { kind: "count", question: `how many ${noun}s are there ?`, right: [quantity(count)] };
}

function presence({ things }: Scene, nouns: readonly string[], rng: Rng): Asked {
  const shown = new Set(things.map(({ noun }) => noun));
  const isThere = rng.bernoulli(0.5);
  const noun = isThere ? rng.choice([...shown]) : rng.choice(nouns.filter((other) => !shown.has(other)));
  return { kind: "yes or no", question: `is there a ${noun} ?`, right: [isThere ? "yes" : "no"] };
}

/** Every thing is a right name: those who are asked do not agree, and the scores are soft. */
function naming({ things }: Scene): Asked {
  return { kind: "name", question: "what is in the picture ?", right: things.map(({ noun }) => noun) };
}

/** Things whose noun no other thing of the scene has: those that "the cat" can only mean. */
const unmistakable = (things: readonly Thing[]) =>
  things.filter(({ noun }) => things.filter((other) => other.noun === noun).length === 1);

function color({ things }: Scene, _: readonly string[], rng: Rng): Asked | null {
  const colored = unmistakable(things).filter((thing) => thing.color);
  if (colored.length === 0) return null;
  const thing = rng.choice(colored);
  return { kind: "colour", question: `what colour is the ${thing.noun} ?`, right: [thing.color!] };
}

function place({ things }: Scene, _: readonly string[], rng: Rng): Asked | null {
  const asked = unmistakable(things).flatMap((thing) =>
    (Object.entries(RELATIONS) as [Relation, (a: Box, b: Box) => boolean][]).flatMap(([relation, holds]) => {
      const right = things.filter((other) => other !== thing && holds(other.box, thing.box)).map(({ noun }) => noun);
      return right.length > 0 ? [{ question: `what is ${relation} the ${thing.noun} ?`, right }] : [];
    }),
  );
  return asked.length > 0 ? { kind: "place", ...rng.choice(asked) } : null;
}

/** Places twice: they are the hardest to learn, and many scenes have none to ask for. */
const ASKERS: readonly Asker[] = [countThings, countNoun, presence, naming, color, place, place];

/**
 * Questions about emoji scenes, one a scene: how many, whether there is, what is there, what is where and, at the hard
 * level, of which colour. Ten annotators answer, each with one of the right answers, so that scores are soft where more
 * than one is right.
 */
export class EmojiQuestions implements Questions {
  readonly name = "questions on emoji-scenes";
  readonly choices: readonly string[];
  readonly needs: TextNeeds;
  readonly #nouns: readonly string[];
  readonly #rng: Rng;

  constructor(
    readonly scenes: EmojiScenes,
    seed: number | string = 0,
  ) {
    const kinds = KINDS[scenes.level];
    this.#nouns = [...new Set(kinds.map(({ noun }) => noun))];
    const colors = new Set(kinds.flatMap((kind) => kind.color ?? []));
    this.choices = ["yes", "no", ...[1, 2, 3].map(quantity), ...colors, ...this.#nouns];
    const relations = (Object.keys(RELATIONS) as Relation[]).flatMap((relation) => relation.split(" "));
    this.needs = { words: [...new Set([...scenes.needs.words, ...relations, ...WORDS])], length: LONGEST };
    this.#rng = new Rng(seed).split("emoji-questions");
  }

  get splits() {
    return this.scenes.splits;
  }

  size(split: string): number {
    return this.scenes.size(split);
  }

  example(split: string, index: number, options?: SampleOptions): Question {
    const scene = this.scenes.sample(split, index, options);
    const rng = this.#rng.split(`${split}/${index}`);
    const asked = ASKERS.flatMap((ask) => ask(scene, this.#nouns, rng) ?? []);
    const { kind, question, right } = rng.choice(asked);
    const answers = Array.from({ length: ANNOTATORS }, () => rng.choice(right));
    return { picture: scene, kind, question, answers, record: `question on ${scene.record}` };
  }
}
