import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import sharp from "sharp";
import t, { type Test } from "tap";
import { invert } from "../../src/data/color-operations.ts";
import { FolderQuestions } from "../../src/data/folder/questions.ts";
import { FolderStatements } from "../../src/data/folder/statements.ts";
import type { RgbImage } from "../../src/data/image.ts";

const size = { shorter: 16, divisor: 8 };
const folder = t.testdir({ inside: {} });
const at = (...names: string[]) => path.join(folder, ...names);
const paint = (name: string, background: string) =>
  sharp({ create: { width: 20, height: 20, channels: 3, background } }).toFile(at(name));
for (const color of ["red", "lime", "blue"]) await paint(`${color}.png`, color);
await paint("inside/white.webp", "white");

type Line = string | object;
const text = (lines: readonly Line[]) =>
  lines.map((line) => (typeof line === "string" ? line : JSON.stringify(line))).join("\n");
const openQuestions = (lines: readonly Line[]) => {
  writeFileSync(at("questions.jsonl"), text(lines));
  return FolderQuestions.open(folder, size);
};
const openStatements = (lines: readonly Line[]) => {
  writeFileSync(at("statements.jsonl"), text(lines));
  return FolderStatements.open(folder, size);
};

/** Of a picture of one colour: the three channels of its first pixel. */
const pixel = ({ image, height, width }: { image: Float32Array; height: number; width: number }) =>
  [0, 1, 2].map((channel) => image[channel * height * width]);
const RED = [1, -1, -1];
const LIME = [-1, 1, -1];

/** Puts each line between two sound ones and expects one line that names file, line and fault. */
async function expectRefused(
  t: Test,
  good: object,
  cases: readonly (readonly [Line, RegExp])[],
  open: (lines: readonly Line[]) => Promise<unknown>,
  file: string,
): Promise<void> {
  for (const [line, message] of cases) {
    const error = await open([good, line, good]).then(
      () => t.fail(`${JSON.stringify(line)} was taken`),
      (e: Error) => e,
    );
    t.match(error, { name: "DataError", message });
    t.ok((error as Error).message.startsWith(`${at(file)}, line 2: `) && !(error as Error).message.includes("\n"));
  }
}

const question = { image: "red.png", question: "what colour is it ?", answers: ["red"] };

t.test("questions: pictures, normalised answers, choices in order, splits", async (t) => {
  const data = await openQuestions([
    { ...question, answers: ["Dark red", "the RED.", "red", "an apple"], split: "train" },
    { image: "lime.png", question: "how many are there ?", answer: "Two", split: "restval" },
    "",
    { image: "inside/white.webp", question: "is it white ?", answers: ["yes"], split: "val" },
    { image: "blue.png", question: "what is it ?", answers: ["nothing"], split: "test" },
  ]);
  t.strictSame(data.splits, ["train", "validation", "test"]);
  t.strictSame(
    data.splits.map((split) => data.size(split)),
    [2, 1, 1],
  );
  t.strictSame(data.choices, ["red", "2", "yes"], "the majority's, and none of the test");
  const first = await data.example("train", 0);
  t.strictSame(pixel(first.picture), RED);
  t.strictSame([first.picture.height, first.picture.width], [16, 16]);
  const { picture, ...rest } = first;
  t.strictSame(rest, {
    ...{ question: "what colour is it ?", answers: ["dark red", "red", "red", "apple"], kind: "other" },
    record: `${at("questions.jsonl")}, line 1`,
  });
  t.match(await data.example("train", 1), { answers: ["2"], kind: "number" });
  t.match(await data.example("validation", 0), { kind: "yes or no", record: /line 4$/ });
  t.match(await data.example("test", 0), { answers: ["nothing"] }, "kept, though it is no choice");
  t.strictSame(
    [...data.texts()].map(({ text }) => text),
    [question.question, "how many are there ?", "is it white ?", "what is it ?"],
  );
  t.throws(() => data.size("dev"), { message: /no split "dev"; there are train, validation, test/ });
  await t.rejects(data.example("train", 2), { message: /no sample 2 in split "train"; it has 2/ });
});

t.test("questions and statements: an augmentation changes the decoded picture", async (t) => {
  const given: RgbImage[] = [];
  const augment = (picture: RgbImage) => {
    given.push(picture);
    return invert(picture);
  };
  const questions = await openQuestions([{ ...question, split: "train" }]);
  t.strictSame(pixel((await questions.example("train", 0, { augment })).picture), [-1, 1, 1]);
  const statements = await openStatements([{ ...statement, split: "train" }]);
  const { pictures } = await statements.example("train", 0, { augment });
  t.strictSame(pictures.map(pixel), [
    [-1, 1, 1],
    [1, -1, 1],
  ]);
  t.strictSame(
    given.map(({ width, height }) => [width, height]),
    [
      [20, 20],
      [20, 20],
      [20, 20],
    ],
  );
});

t.test("questions that have no choice as an answer are left out of training and validation", async (t) => {
  const rare = Array.from({ length: 3200 }, (_, i) => ({ ...question, answers: [`rare ${i}`], split: "train" }));
  const common = Array.from({ length: 9 }, () => ({ ...question, split: "train" }));
  const more = [
    { ...question, answers: ["odd", "odd", "red"], split: "val" },
    { ...question, answers: ["even"], split: "val" },
  ];
  const data = await openQuestions([
    ...rare,
    ...common,
    ...more,
    { ...question, answer: "odd", answers: undefined, split: "test" },
  ]);
  t.strictSame(data.choices, ["red"]);
  t.strictSame(
    data.splits.map((split) => data.size(split)),
    [9, 1, 1],
    "one answer of an annotator is enough",
  );
  const none = {
    message: `${at("questions.jsonl")}: there is no question of the split "train" with a frequent answer`,
  };
  await t.rejects(openQuestions(rare), none);
  await t.rejects(openQuestions([{ ...question, split: "test" }]), none);
});

t.test("questions that cannot be used: one line that names file, line and fault", async (t) => {
  const { answers, ...unanswered } = question;
  await expectRefused(
    t,
    { ...question, split: "train" },
    [
      ['{"image": "red.png", ', /line 2: not JSON/],
      ['["red.png"]', /line 2: .*expected object/],
      [{ question: "what ?", answers }, /line 2: image: .*expected string/],
      [{ image: "red.png", answers }, /line 2: question: .*expected string/],
      [{ ...question, question: " \u00a0" }, /line 2: the question is empty/],
      [unanswered, /line 2: expected either "answers" or "answer"/],
      [{ ...question, answer: "red" }, /line 2: expected either "answers" or "answer"/],
      [{ ...question, answers: [] }, /line 2: there is no answer/],
      [{ ...question, answers: ["The", "?"] }, /line 2: there is no answer/],
      [{ ...question, answers: "red" }, /line 2: answers: .*expected array/],
      [{ ...question, answers: ["red", 3] }, /line 2: answers\.1: .*expected string, received number/],
      [{ ...question, split: "" }, /line 2: split: /],
      [{ ...question, image: "none.png" }, /line 2: there is no image file .*none\.png/],
      [{ ...question, image: "inside" }, /line 2: there is no image file/],
      [{ ...question, image: "inside/../../red.png" }, /line 2: the image .* lies outside/],
      [{ ...question, image: "/etc/hostname" }, /line 2: the image "\/etc\/hostname" lies outside/],
    ],
    openQuestions,
    "questions.jsonl",
  );
  await t.rejects(openQuestions([]), { message: /questions\.jsonl: there are no questions in it/ });
  await t.rejects(FolderQuestions.open(at("inside"), size), {
    message: /expected a questions file, or a folder with questions\.jsonl or v2_OpenEnded_mscoco_train2014_questions/,
  });
});

t.test("VQA v2: the four official files, the last images of val2014 for validation", async (t) => {
  const vqa = t.testdir({ train2014: {}, val2014: {} });
  const write = (name: string, value: object) => writeFileSync(path.join(vqa, name), JSON.stringify(value));
  const put = (part: string, asked: readonly (readonly [image: number, answer: string])[]) => {
    const ids = asked.map((_, i) => 7000 + i);
    write(`v2_OpenEnded_mscoco_${part}_questions.json`, {
      data_subtype: part,
      questions: asked.map(([image_id], i) => ({ image_id, question: `What is ${image_id}?`, question_id: ids[i] })),
    });
    const annotations = asked.map(([image_id, multiple_choice_answer], i) => {
      const answers = Array.from({ length: 10 }, (_, n) => ({ answer: n < 3 ? "thing" : multiple_choice_answer }));
      return { question_id: ids[i], image_id, multiple_choice_answer, answers, answer_type: "other" };
    });
    write(`v2_mscoco_${part}_annotations.json`, { annotations: annotations.reverse() });
    mkdirSync(path.join(vqa, part), { recursive: true });
    for (const [image] of asked)
      writeFileSync(path.join(vqa, part, `COCO_${part}_${String(image).padStart(12, "0")}.jpg`), "");
  };
  put("train2014", [
    [9, "Cat"],
    [30, "the dog"],
  ]);
  put(
    "val2014",
    Array.from({ length: 1002 }, (_, i) => [2000 - i, i % 2 ? "cat" : "yes"] as const),
  );
  const data = await FolderQuestions.open(vqa, size);
  t.strictSame(data.choices, ["cat", "dog", "yes"]);
  t.strictSame([data.size("train"), data.size("validation")], [4, 1000]);
  t.strictSame(
    [...data.texts()].slice(0, 5).map(({ text }) => text),
    [9, 30, 1000, 999, 2000].map((image) => `What is ${image}?`),
  );
  t.match([...data.texts()][2]!.record, /v2_OpenEnded_mscoco_val2014_questions\.json, question 8000$/);
  write("v2_mscoco_val2014_annotations.json", { annotations: [] });
  await t.rejects(FolderQuestions.open(vqa, size), {
    message: /val2014_questions\.json, question 7000: there are no answers/,
  });
  write("v2_mscoco_val2014_annotations.json", { annotations: [{ question_id: "7" }] });
  await t.rejects(FolderQuestions.open(vqa, size), { message: /annotations\.json: annotations\.0\.question_id: / });
  const alone = t.testdir({ "v2_OpenEnded_mscoco_train2014_questions.json": "{}" });
  await t.rejects(FolderQuestions.open(alone, size), {
    message: /expected a VQA v2 file, or a folder with v2_mscoco_train2014_annotations\.json/,
  });
});

const statement = { images: ["red.png", "lime.png"], statement: "both are red", label: false };

t.test("statements: pictures in order, labels as words or values, splits by pair", async (t) => {
  const data = await openStatements([
    { ...statement, split: "train" },
    { images: ["lime.png", "red.png"], statement: "one is lime", label: "True", split: "val" },
    { ...statement, label: true, split: "train" },
    { ...statement, label: "False", split: "train" },
  ]);
  t.strictSame([data.size("train"), data.size("validation")], [3, 1]);
  const { pictures, ...rest } = await data.example("train", 0);
  t.strictSame(pictures.map(pixel), [RED, LIME]);
  t.strictSame(rest, {
    ...{ statement: "both are red", isTrue: false, kind: "all", record: `${at("statements.jsonl")}, line 1` },
  });
  const other = await data.example("validation", 0);
  t.strictSame([other.pictures.map(pixel), other.isTrue], [[LIME, RED], true]);
  t.strictSame([(await data.example("train", 1)).isTrue, (await data.example("train", 2)).isTrue], [true, false]);
  t.strictSame(
    [...data.texts()].map(({ text, record }) => [text, record.match(/\d+$/)![0]]),
    [
      ["both are red", "1"],
      ["both are red", "3"],
      ["both are red", "4"],
      ["one is lime", "2"],
    ],
  );
  const names = Array.from({ length: 60 }, (_, i) => `${i}.png`);
  for (const name of names) writeFileSync(at(name), "");
  const dealt = await openStatements(
    names.flatMap((name) => [
      { ...statement, images: [name, "red.png"] },
      { ...statement, images: ["red.png", name] },
    ]),
  );
  const held = dealt.size("validation");
  t.ok(held >= 2 && held <= 30 && held % 2 === 0, `${held} are held out, both of each pair`);
});

t.test("statements that cannot be used: one line that names file, line and fault", async (t) => {
  const { label, ...unlabelled } = statement;
  await expectRefused(
    t,
    statement,
    [
      ['{"images": [}', /line 2: not JSON/],
      ["null", /line 2: .*expected object/],
      [{ ...statement, images: ["red.png"] }, /line 2: images: expected two images, the left and the right one/],
      [{ ...statement, images: ["red.png", "red.png", "red.png"] }, /line 2: images: expected two images/],
      [{ ...statement, images: "red.png" }, /line 2: images: expected two images/],
      [{ ...statement, images: ["red.png", 3] }, /line 2: images\.1: .*expected string, received number/],
      [{ images: statement.images, label }, /line 2: statement: .*expected string/],
      [{ ...statement, statement: "" }, /line 2: the statement is empty/],
      [unlabelled, /line 2: label: expected true, false, "True" or "False"/],
      [{ ...statement, label: "yes" }, /line 2: label: expected true, false, "True" or "False"/],
      [{ ...statement, label: 1 }, /line 2: label: expected true, false, "True" or "False"/],
      [{ ...statement, images: ["red.png", "none.png"] }, /line 2: there is no image file .*none\.png/],
      [{ ...statement, images: ["../red.png", "red.png"] }, /line 2: the image "\.\.\/red\.png" lies outside/],
    ],
    openStatements,
    "statements.jsonl",
  );
  await t.rejects(openStatements(["", " "]), { message: /statements\.jsonl: there are no statements in it/ });
  await t.rejects(FolderStatements.open(at("inside"), size), {
    message: /expected a statements file, or a folder with statements\.jsonl/,
  });
  writeFileSync(at("broken.png"), "no picture");
  const broken = await openStatements([{ ...statement, images: ["red.png", "broken.png"], split: "train" }]);
  await t.rejects(broken.example("train", 0), {
    name: "DataError",
    message: /line 1: .*broken\.png: expected a whole PNG/,
  });
});
