import { Rng } from "../../tensor/rng.ts";
import type { SampleOptions, TextNeeds, Thing } from "../dataset.ts";
import type { Examples, Statement } from "../examples.ts";
import type { EmojiScenes, Scene } from "./emoji-scenes.ts";
import { KINDS } from "./nouns.ts";

type Pair = readonly [Scene, Scene];

/**
 * A way to say something that is true or false of two scenes. Whether it can be said must not depend on its truth, or
 * the words alone would tell it: null where one of the two cannot be said.
 */
type Claim = (pair: Pair, isTrue: boolean, rng: Rng, names: readonly string[]) => string | null;

const WORDS = [
  "the",
  "left",
  "right",
  "picture",
  "pictures",
  "shows",
  "show",
  "both",
  "one",
  "of",
  "there",
  "are",
  "more",
  "things",
  "in",
];
/** "one of the pictures shows a water ##melon" with [CLS] and [SEP]. */
const LONGEST = 10;

const nameOf = ({ noun, color }: Pick<Thing, "noun" | "color">) => (color ? `${color} ${noun}` : noun);
const namesIn = ({ things }: Scene) => things.map(nameOf);
const without = (names: readonly string[], others: readonly string[]) => names.filter((name) => !others.includes(name));

/** What one of the pictures shows; a false one names what only the other shows. */
const oneSide: Claim = (pair, isTrue, rng) => {
  const [left, right] = pair.map(namesIn) as [string[], string[]];
  const sides = [
    { side: "left", own: left, foreign: without(right, left) },
    { side: "right", own: right, foreign: without(left, right) },
  ].filter(({ foreign }) => foreign.length > 0);
  if (sides.length === 0) return null;
  const { side, own, foreign } = rng.choice(sides);
  return `the ${side} picture shows a ${rng.choice(isTrue ? own : foreign)}`;
};

const either: Claim = (pair, isTrue, rng, names) => {
  const shown = pair.flatMap(namesIn);
  return `one of the pictures shows a ${rng.choice(isTrue ? shown : without(names, shown))}`;
};

const both: Claim = (pair, isTrue, rng) => {
  const [left, right] = pair.map(namesIn) as [string[], string[]];
  const shared = left.filter((name) => right.includes(name));
  const single = [...without(left, right), ...without(right, left)];
  if (shared.length === 0 || single.length === 0) return null;
  return `both pictures show a ${rng.choice(isTrue ? shared : single)}`;
};

const more: Claim = (pair, isTrue) => {
  const [left, right] = pair.map(({ things }) => things.length) as [number, number];
  if (left === right) return null;
  return `there are more things in the ${left > right === isTrue ? "left" : "right"} picture`;
};

/** Of two scenes of their own, and of two of which the second is the first with one thing exchanged. */
const CLAIMS = {
  unrelated: { "one side": oneSide, either, more },
  related: { both, either },
} as const;

/**
 * Statements about two emoji scenes, half of them true: what one of them, either or both show, and which shows more.
 * Truth is drawn before the words, so that neither the statement nor the pictures alone tell it.
 */
export class EmojiStatements implements Examples<Statement> {
  readonly name = "statements on emoji-scenes";
  readonly needs: TextNeeds;
  readonly #names: readonly string[];
  readonly #rng: Rng;

  constructor(
    readonly scenes: EmojiScenes,
    seed: number | string = 0,
  ) {
    this.#names = KINDS[scenes.level].map(nameOf);
    this.needs = { words: [...new Set([...scenes.needs.words, ...WORDS])], length: LONGEST };
    this.#rng = new Rng(seed).split("emoji-statements");
  }

  get splits() {
    return this.scenes.splits;
  }

  size(split: string): number {
    return this.scenes.size(split);
  }

  example(split: string, index: number, options?: SampleOptions): Statement {
    const rng = this.#rng.split(`${split}/${index}`);
    const isTrue = rng.bernoulli(0.5);
    const related = rng.bernoulli(0.25);
    const pictures = this.#pair(split, index, related, options);
    const claims: Readonly<Record<string, Claim>> = CLAIMS[related ? "related" : "unrelated"];
    const said = Object.entries(claims).flatMap(([kind, claim]) => {
      const statement = claim(pictures, isTrue, rng, this.#names);
      return statement ? [{ kind, statement }] : [];
    });
    const record = `statement on ${pictures[0].record} and ${pictures[1].record}`;
    return { ...rng.choice(said), isTrue, pictures, record };
  }

  #pair(split: string, index: number, related: boolean, options?: SampleOptions): Pair {
    const first = this.scenes.sample(split, 2 * index, options);
    if (!related) return [first, this.scenes.sample(split, 2 * index + 1, options)];
    return [first, this.scenes.hardNegative("thing", split, 2 * index, options)!];
  }
}
