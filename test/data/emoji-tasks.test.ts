import t from "tap";
import { answerScore, normalizeAnswer } from "../../src/data/answers.ts";
import type { Box } from "../../src/data/dataset.ts";
import { EmojiScenes } from "../../src/data/emoji-scenes/emoji-scenes.ts";
import { EmojiQuestions } from "../../src/data/emoji-scenes/questions.ts";
import { EmojiStatements } from "../../src/data/emoji-scenes/statements.ts";
import type { Question, Statement } from "../../src/data/examples.ts";
import { Tokenizer } from "../../src/data/tokenizer.ts";
import { vocabularyOf } from "../../src/data/vocabulary.ts";
import { DataError } from "../../src/tensor/errors.ts";

const scenes = { basic: new EmojiScenes({ seed: 5 }), hard: new EmojiScenes({ seed: 5, level: "hard" }) };
const levels = ["basic", "hard"] as const;
const range = (n: number) => [...Array(n).keys()];

/** Whether a lies where the words say, seen from b. */
const places: Readonly<Record<string, (a: Box, b: Box) => boolean>> = {
  "to the left of": (a, b) => a.x + a.width <= b.x,
  "to the right of": (a, b) => a.x >= b.x + b.width,
  above: (a, b) => a.y + a.height <= b.y,
  below: (a, b) => a.y >= b.y + b.height,
};

/** The answers that are right of a scene, worked out from the words of the question. */
function rightAnswers({ question }: Question, things: ReturnType<EmojiScenes["sample"]>["things"]): string[] {
  const noun = / (\w+) \?$/.exec(question)?.[1];
  if (question === "how many things are there ?") return [String(things.length)];
  const plural = /^how many (\w+)s are there \?$/.exec(question)?.[1];
  if (plural) return [String(things.filter((thing) => thing.noun === plural).length)];
  if (question.startsWith("is there a ")) return [things.some((thing) => thing.noun === noun) ? "yes" : "no"];
  if (question === "what is in the picture ?") return things.map((thing) => thing.noun);
  const named = things.filter((thing) => thing.noun === noun);
  if (named.length !== 1) throw new Error(`"${question}" does not say which ${noun} is meant`);
  if (question.startsWith("what colour is the ")) return [named[0]!.color!];
  const place = /^what is (.+) the \w+ \?$/.exec(question)![1]!;
  return things.filter((thing) => places[place]!(thing.box, named[0]!.box)).map((thing) => thing.noun);
}

t.test("questions: every annotator gives a right answer, and all right ones are given by someone", async (t) => {
  for (const level of levels) {
    const questions = new EmojiQuestions(scenes[level], 1);
    const kinds = new Map<string, number>();
    const faults: string[] = [];
    for (const i of range(600)) {
      const question = questions.example("validation", i);
      const { things } = scenes[level].sample("validation", i);
      const right = rightAnswers(question, things);
      kinds.set(question.kind, (kinds.get(question.kind) ?? 0) + 1);
      if (!question.answers.every((answer) => right.includes(answer) && questions.choices.includes(answer)))
        faults.push(`${question.record}: ${question.question} ${question.answers}, not ${right}`);
      if (question.answers.length !== 10) faults.push(`${question.record}: ${question.answers.length} annotators`);
      if (question.answers.some((answer) => normalizeAnswer(answer) !== answer)) faults.push("not normalised");
    }
    t.strictSame(faults, [], level);
    const expected = ["count", "name", "place", "yes or no", ...(level === "hard" ? ["colour"] : [])];
    t.strictSame([...kinds.keys()].sort(), expected.sort(), level);
    t.ok(Math.min(...kinds.values()) > 20, `${level}: no kind is rare`);
  }
});

t.test("questions: half of the yes-or-no ones are yes, and several right answers give soft scores", async (t) => {
  const questions = new EmojiQuestions(scenes.hard, 2);
  const some = range(3000).map((i) => questions.example("train", i));
  const yesOrNo = some.filter(({ kind }) => kind === "yes or no").map(({ answers }) => answers[0] === "yes");
  const yes = yesOrNo.filter(Boolean).length / yesOrNo.length;
  t.ok(Math.abs(yes - 0.5) < 4 * 0.5 * yesOrNo.length ** -0.5, `${yes} of ${yesOrNo.length}`);
  const scores = new Set(
    some.flatMap(({ answers }) => answers.map((one) => answerScore(answers.filter((other) => other === one).length))),
  );
  t.strictSame([...scores].sort(), [0.3, 0.6, 0.9, 1]);
});

t.test("statements: true ones are true, false ones false, and half are true whatever their kind", async (t) => {
  for (const level of levels) {
    const statements = new EmojiStatements(scenes[level], 1);
    const truth = new Map<string, number[]>();
    const faults: string[] = [];
    for (const i of range(2400)) {
      const { kind, statement, isTrue, pictures, record } = statements.example("validation", i);
      const shown = pictures.map((picture) => (picture as ReturnType<EmojiScenes["sample"]>).things);
      const [left, right] = shown.map((things) => things.map(({ noun, color }) => (color ? `${color} ${noun}` : noun)));
      const name = / a (.+)$/.exec(statement)?.[1] ?? "";
      const inLeft = left!.includes(name);
      const inRight = right!.includes(name);
      const isSo = {
        "one side": statement.startsWith("the left") ? inLeft : inRight,
        either: inLeft || inRight,
        both: inLeft && inRight,
        more: statement.includes("left") === left!.length > right!.length && left!.length !== right!.length,
      }[kind];
      if (isSo !== isTrue) faults.push(`${record}: "${statement}" is said to be ${isTrue}`);
      truth.set(kind, [...(truth.get(kind) ?? []), Number(isTrue)]);
    }
    t.strictSame(faults, [], level);
    t.strictSame([...truth.keys()].sort(), ["both", "either", "more", "one side"]);
    for (const [kind, labels] of truth) {
      const share = labels.reduce((sum, label) => sum + label, 0) / labels.length;
      t.ok(Math.abs(share - 0.5) < 4 * 0.5 * labels.length ** -0.5, `${level}, ${kind}: ${share} of ${labels.length}`);
    }
  }
});

const textOf = (example: Question | Statement) => ("question" in example ? example.question : example.statement);

t.test("texts: the words that are stated suffice, and so does the length", async (t) => {
  for (const level of levels)
    for (const dataset of [new EmojiQuestions(scenes[level]), new EmojiStatements(scenes[level])]) {
      const tokenizer = new Tokenizer(vocabularyOf(dataset.needs.words));
      const encodings = range(4000).map((i) => tokenizer.encode(textOf(dataset.example("unseen-pairs", i))));
      t.notOk(
        encodings.some(({ ids }) => ids.includes(tokenizer.unknownId)),
        `${dataset.name}, ${level}`,
      );
      t.equal(Math.max(...encodings.map(({ ids }) => ids.length)), dataset.needs.length, `${dataset.name}, ${level}`);
    }
});

t.test("an example depends on seed, split and index alone", async (t) => {
  for (const Dataset of [EmojiQuestions, EmojiStatements]) {
    const [first, again, other] = [1, 1, 2].map((seed) => new Dataset(scenes.hard, seed));
    const texts = (dataset: EmojiQuestions | EmojiStatements, split: string) =>
      range(40).map((i) => textOf(dataset.example(split, i)));
    const backwards = range(40)
      .reverse()
      .map((i) => textOf(again!.example("train", i)));
    t.strictSame(backwards.reverse(), texts(first!, "train"));
    t.not(texts(other!, "train").join(), texts(first!, "train").join(), "another seed");
    t.not(texts(first!, "validation").join(), texts(first!, "train").join(), "another split");
    t.equal(first!.size("train"), Infinity);
    t.throws(() => first!.example("test", 0), DataError);
    t.throws(() => first!.example("train", -1), DataError);
  }
});

t.test("pictures are augmented where it is asked for", async (t) => {
  const options = { augment: (picture: { data: Uint8Array }) => ({ ...picture, data: picture.data.map(() => 255) }) };
  const question = new EmojiQuestions(scenes.basic).example("train", 3, options as never);
  t.ok(question.picture.image.every((value) => value === 1));
  const statement = new EmojiStatements(scenes.basic).example("train", 3, options as never);
  for (const { image } of statement.pictures) t.ok(image.every((value) => value === 1));
});
