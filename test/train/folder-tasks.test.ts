import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import sharp from "sharp";
import t from "tap";
import { readFoundation } from "../../src/train/foundation.ts";
import { train } from "../../src/train/run.ts";
import { type ComparisonOptions, compare } from "../../src/train/tasks/comparison.ts";
import { writeFineTuned } from "../../src/train/tasks/report.ts";
import { fineTuningSettings } from "../../src/train/tasks/settings.ts";
import { startToyRun } from "./support.ts";

const folder = t.testdir({ run: {} });
const at = (...names: string[]) => path.join(folder, ...names);
for (const color of ["red", "lime", "blue"])
  await sharp({ create: { width: 20, height: 24, channels: 3, background: color } }).toFile(at(`${color}.png`));
await train(await startToyRun(at("run"), { steps: 1 }), { checkpointEvery: 1 });
const foundation = await readFoundation(at("run"));

const write = (name: string, lines: readonly object[]) =>
  writeFileSync(at(name), lines.map((line) => JSON.stringify(line)).join("\n"));
const options = (name: "vqa" | "nlvr2", steps: number): ComparisonOptions => ({
  ...{ name, data: folder, foundation, truncate: false, seeds: [1], arms: ["pre-trained"], samples: 10 },
  settings: fineTuningSettings({
    steps,
    batchSize: 6,
    learningRate: 3e-3,
    randAugment: { operations: 1, magnitude: 2 },
  }),
});

t.test("vqa on a folder: the loss falls, and the written model has its answers", async (t) => {
  write(
    "questions.jsonl",
    ["train", "validation"].flatMap((split) => [
      { image: "red.png", question: "a cat ?", answers: ["red", "Red", "dark"], split },
      { image: "lime.png", question: "a cat ?", answer: "lime", split },
      { image: "blue.png", question: "a cat ?", answer: "blue", split },
    ]),
  );
  const [trial] = await compare(options("vqa", 30), {
    onTrained: async ({ trainee, options }) => writeFineTuned(at("vqa"), trainee, options),
  });
  const losses = trial!.losses.map(({ loss }) => loss);
  t.ok(losses.at(-1)! < 0.7 * losses[0]!, `the loss fell from ${losses[0]} to ${losses.at(-1)}`);
  t.strictSame(Object.keys(trial!.scores), ["validation"]);
  const right = { score: 1, chance: 1 / 3 };
  t.match(trial!.scores.validation, { all: right, other: right }, "of one question, only the picture tells the answer");
  const { id2label } = JSON.parse(readFileSync(at("vqa", "config.json"), "utf8")) as { id2label: object };
  t.strictSame(Object.values(id2label), ["red", "lime", "blue"]);
});

t.test("nlvr2 on a folder: the loss falls", async (t) => {
  write("statements.jsonl", [
    { images: ["red.png", "lime.png"], statement: "a cat", label: true, split: "train" },
    { images: ["lime.png", "red.png"], statement: "a cat", label: "False", split: "train" },
    { images: ["blue.png", "lime.png"], statement: "a cat", label: true, split: "train" },
  ]);
  const [trial] = await compare(options("nlvr2", 30));
  const losses = trial!.losses.map(({ loss }) => loss);
  t.ok(losses.at(-1)! < losses[0]!, `the loss fell from ${losses[0]} to ${losses.at(-1)}`);
  t.match(trial!.scores, { train: { all: { score: 1 } } }, "judged on what there is");
});

t.test("nlvr2 on a folder without a training split: judged, not trained", async (t) => {
  const line = { images: ["red.png", "lime.png"], statement: "a cat", label: true, split: "validation" };
  write("statements.jsonl", [line]);
  await t.rejects(compare(options("nlvr2", 1), { onArm: () => t.fail("training began") as never }), {
    name: "DataError",
    message: `${at("statements.jsonl")}: the split "train" has no examples`,
  });
  const [trial] = await compare({ ...options("nlvr2", 1), arms: ["zero-shot"] });
  t.strictSame(Object.keys(trial!.scores), ["validation"]);
});

t.test("a text that is too long is refused by its line before any step", async (t) => {
  write("questions.jsonl", [{ image: "red.png", question: "a cat ".repeat(40), answer: "red", split: "train" }]);
  await t.rejects(compare(options("vqa", 1), { onArm: () => t.fail("training began") as never }), {
    name: "DataError",
    message: /questions\.jsonl, line 1/,
  });
});
