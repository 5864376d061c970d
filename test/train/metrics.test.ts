import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import t from "tap";
import { judgedSplits, openDataset } from "../../src/train/data-source.ts";
import type { Evaluation } from "../../src/train/evaluation/evaluation.ts";
import { scoreRows } from "../../src/train/evaluation/score-rows.ts";
import { argmaxOf, countCorrect, patchCentreIn, RunningMean, recall } from "../../src/train/metrics.ts";
import { type LoggedStep, MetricsLog } from "../../src/train/metrics-log.ts";
import { parseSettings, trainingSettings } from "../../src/train/settings.ts";
import { getPreset, presetNames } from "../../src/vilt/config.ts";
import { bits, ListedImages, listed, range } from "./support.ts";

t.test("recall: ranks along rows or columns, and a tie counts against the true pair", async (t) => {
  const identity = Float64Array.from({ length: 144 }, (_, k) => Number(k % 13 === 0));
  t.strictSame(recall(identity, 12, "rows"), { at1: 1, at5: 1, at10: 1 });
  const asymmetric = [
    ...[3, 9, 0], // one is better than the true one
    ...[0, 5, 0],
    ...[4, 6, 7],
  ];
  t.strictSame(recall(asymmetric, 3, "rows"), { at1: 2 / 3, at5: 1, at10: 1 });
  t.strictSame(recall(asymmetric, 3, "columns"), { at1: 1 / 3, at5: 1, at10: 1 });
  t.strictSame(recall(new Float64Array(400), 20, "rows"), { at1: 0, at5: 0, at10: 0 });
  t.strictSame(recall(new Float64Array(100), 10, "columns"), { at1: 0, at5: 0, at10: 1 });
  t.strictSame(recall([1, 1, 0, 2], 2, "rows"), { at1: 0.5, at5: 1, at10: 1 });
  t.strictSame(recall([1, Number.NaN, 0, 2], 2, "rows").at1, 0.5, "NaN is not below the true one");
  t.strictSame(recall([-4], 1, "rows"), { at1: 1, at5: 1, at10: 1 });
  // In row i of 12 exactly i others score higher.
  const rank = Float64Array.from({ length: 144 }, (_, k) => {
    const [i, j] = [Math.floor(k / 12), k % 12];
    return i === j ? 0 : (j - i + 12) % 12 <= i ? 1 : -1;
  });
  t.strictSame(recall(rank, 12, "rows"), { at1: 1 / 12, at5: 5 / 12, at10: 10 / 12 });
});

t.test("countCorrect: the first of equals is the answer, labels below 0 do not count", async (t) => {
  const logits = [0, 2, 1, 5, 5, 5, -3, -2, -1, 0, 0, 9];
  t.strictSame(countCorrect(logits, [1, 0, 2, 2], 3), { correct: 4, counted: 4 });
  t.strictSame(countCorrect(logits, [1, 1, -100, 0], 3), { correct: 1, counted: 3 });
  t.strictSame(countCorrect([], [-100, -100], 3), { correct: 0, counted: 0 });
  t.strictSame(countCorrect([], [], 2), { correct: 0, counted: 0 });
  t.equal(argmaxOf([3, 1, 2]), 0);
  t.equal(argmaxOf([9, 1, 2, 8], 1), 2, "relative to the offset");
  t.equal(argmaxOf([9, 1, 2, 8], 1, 2), 1);
  t.equal(argmaxOf([-Infinity, -1]), 1);
});

t.test("RunningMean: by weight, and NaN of nothing", async (t) => {
  const mean = new RunningMean();
  t.ok(Number.isNaN(mean.mean) && mean.count === 0);
  mean.add(1);
  mean.add(0, 3);
  t.strictSame([mean.mean, mean.count], [0.25, 4]);
  mean.add(5, 0);
  t.equal(mean.mean, 0.25);
});

t.test("patchCentreIn: the left and upper edges belong to a box, the right and lower ones do not", async (t) => {
  // Patches of 8 in a grid of 3 columns: patch 4 is the middle one of the second row, its centre (12, 12).
  const inside = (x: number, y: number, width: number, height: number, patch = 4) =>
    patchCentreIn({ x, y, width, height }, patch, 3, 8);
  t.ok(inside(12, 12, 1, 1), "on the upper left corner");
  t.notOk(inside(4, 4, 8, 9), "on the right edge");
  t.notOk(inside(4, 4, 9, 8), "on the lower edge");
  t.ok(inside(4, 4, 8.5, 8.5));
  t.notOk(inside(12.5, 12, 4, 4) || inside(12, 12.5, 4, 4) || inside(12, 12, 0, 0));
  const all = range(6).filter((patch) => inside(8, 0, 8, 16, patch));
  t.strictSame(all, [1, 4], "columns and rows are not exchanged");
});

t.test("the log: written when flushed, each step once, and cut back to the checkpoint", async (t) => {
  const file = path.join(t.testdir(), "deep", "metrics.jsonl");
  const step = (n: number): LoggedStep => ({
    ...{ step: n, learningRate: 0.1, loss: 3 / n, mlmLoss: 1, itmLoss: 1, wpaLoss: { final: -0.5 } },
    ...{ mlmAccuracy: 0, itmAccuracy: 1, gradNorm: 2, seconds: 0.25 },
  });
  const read = () => readFileSync(file, "utf8");
  const line = (n: number) => `${JSON.stringify(step(n))}\n`;
  const log = new MetricsLog(file, 0);
  t.equal(read(), "");
  log.add(step(1));
  log.add(step(2));
  t.equal(read(), "");
  log.flush();
  log.flush();
  t.equal(read(), line(1) + line(2));
  log.add(step(3));
  log.flush();
  t.strictSame(new MetricsLog(file, 2).steps, [step(1), step(2)]);
  t.equal(read(), line(1) + line(2));
  writeFileSync(file, line(1) + line(2) + line(3).slice(0, 30));
  const resumed = new MetricsLog(file, 2);
  t.equal(read(), line(1) + line(2));
  resumed.add(step(3));
  resumed.flush();
  t.equal(read(), line(1) + line(2) + line(3));
  t.strictSame(new MetricsLog(file, 0).steps, [], "a new run takes nothing over");
});

t.test("rows of scores: each split in its column, what guessing gets under its name", async (t) => {
  const recallOf = (at1: number) => ({ at1, at5: at1 + 0.1, at10: 1 });
  const evaluation = (split: string, score: number): Evaluation => ({
    ...{ split, samples: 50, pool: 20, matching: { score, chance: 0.5 }, maskedWords: { score, chance: 0.04 } },
    ...{ textRetrieval: recallOf(score), imageRetrieval: recallOf(score / 2), retrievalChance: recallOf(0.05) },
    pointing: { final: { score, chance: 0.25, someThing: 0.6 } },
  });
  const rows = scoreRows([evaluation("validation", 0.8), evaluation("test", 0.6)]);
  t.same(
    rows.map(({ scores }) => scores),
    [
      [0.8, 0.6],
      [0.8, 0.6],
      [0.8, 0.6],
      [0.9, 0.7],
      [1, 1],
      [0.4, 0.3],
      [0.5, 0.4],
      [1, 1],
      [0.8, 0.6],
    ],
  );
  t.match(rows[2], { label: /recall@1 of 20/, chance: { "any order": 0.05 } });
  t.match(rows[8], { label: /pointing, final/, chance: { "any patch": 0.25, "some thing": 0.6 } });
  t.strictSame(Object.keys(rows[1]!.chance), ["any noun"]);
  const hardMatching = { thing: { score: 0.7, chance: 0.5 } };
  const hard = scoreRows([{ ...evaluation("validation", 0.8), hardMatching }, evaluation("test", 0.6)])[1];
  t.match(hard, { label: /one thing swapped/, scores: [0.7, undefined], chance: { "a coin": 0.5 } });
  const { pointing: _, ...unknown } = evaluation("train", 0.8);
  t.strictSame(Object.keys(scoreRows([unknown])[1]!.chance), ["any token"]);
  t.strictSame([scoreRows([unknown]).length, scoreRows([]).length], [8, 0]);
});

t.test("settings: of every preset, the published ones for b32, and what does not fit is named", async (t) => {
  for (const name of presetNames) t.equal(trainingSettings(name).batchSize, getPreset(name).batchSize, name);
  // Kim et al. 2021, section 4.2 and the released configuration.
  const published = { steps: 100_000, batchSize: 4096, learningRate: 1e-4, weightDecay: 0.01, warmup: 0.1 };
  t.match(trainingSettings("b32"), { ...published, beta1: 0.9, beta2: 0.98, maskProbability: 0.15, pairing: "drawn" });
  const undefinedSteps = { steps: undefined } as unknown as { steps: number };
  t.strictSame(trainingSettings("toy", undefinedSteps), trainingSettings("toy"), "not given is not undefined");
  t.equal(trainingSettings("toy", { steps: 3 }).steps, 3);
  const wrong: Record<string, unknown>[] = [
    ...[{ steps: 0 }, { steps: 1.5 }, { batchSize: 1 }, { learningRate: 0 }, { warmup: 1 }, { weightDecay: -1 }],
    ...[{ beta1: 1 }, { beta2: -0.1 }, { clipNorm: 0 }, { maskProbability: 0 }, { maskProbability: 1 }],
    ...[
      { pairing: "random" },
      { hardNegatives: 1.5 },
      { learningRate: Number.NaN },
      { learningRate: "1" },
      { epochs: 3 },
    ],
  ];
  for (const change of wrong) {
    const [name] = Object.keys(change);
    t.throws(() => parseSettings({ ...trainingSettings("toy"), ...change }, "config.json"), {
      name: "ConfigError",
      message: new RegExp(`^config\\.json: [^\\n]*${name}[^\\n]*$`),
    });
  }
  const { clipNorm: _, ...incomplete } = trainingSettings("toy");
  t.throws(() => parseSettings(incomplete, "x"), { name: "ConfigError", message: /clipNorm/ });
  for (const name of ["huge", "", "toString"])
    t.throws(() => trainingSettings(name), {
      name: "ConfigError",
      message: `no preset "${name}"; there are toy, tiny, small, b32`,
    });
  const { hardNegatives, ...older } = trainingSettings("tiny");
  t.strictSame([hardNegatives, parseSettings(older, "x")], [0, trainingSettings("tiny")], "none where it is not said");
});

t.test("data by name: scenes of the model's size, and the splits to judge on", async (t) => {
  const { model } = getPreset("small");
  const scenes = await openDataset("emoji-scenes-hard", model, 1);
  const { height, width } = await scenes.sample("train", 0);
  t.strictSame([height, width], model.imageSize);
  t.strictSame(judgedSplits(scenes), ["validation", "unseen-style", "unseen-pairs"]);
  const other = await openDataset("emoji-scenes-hard", model, 2);
  t.notOk(bits(await other.sample("train", 0)).equals(bits(await scenes.sample("train", 0))));
  const list = new ListedImages([listed("a")]);
  t.strictSame(judgedSplits(list), ["validation"]);
  const trainOnly = Object.assign(new ListedImages([listed("a")]), { splits: ["train"] });
  t.strictSame(judgedSplits(trainOnly), ["train"]);
  for (const name of ["emoji", "toString", "__proto__"])
    await t.rejects(openDataset(name, model, 1), {
      name: "DataError",
      message: new RegExp(`^${name}: expected a cap`),
    });
});
