import { spawnSync } from "node:child_process";
import {
  appendFileSync,
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import sharp from "sharp";
import t, { type Test } from "tap";
import { setThreads } from "../../src/tensor/devices.ts";
import { DataError } from "../../src/tensor/errors.ts";
import { readCheckpoint } from "../../src/train/checkpoint.ts";
import { writeModelFolder } from "../../src/train/model-folder.ts";
import { measureStep, type Run, resumeRun, startRun, train } from "../../src/train/run.ts";
import { ViltForMaskedLanguageModeling } from "../../src/vilt/masked-language-modeling.ts";
import { checkpointIn, loggedIn, range, startToyRun, toyRun } from "./support.ts";

t.teardown(() => setThreads(2));
const checkpointEvery = 4;
const every = { checkpointEvery };
/** Stops a run once it has taken so many steps. */
const until = (run: Run, steps: number) => train(run, { ...every, shouldStop: () => run.pretrainer.step === steps });

/** The run that all others of the same options must equal, bit for bit. */
const reference = t.testdir();
const steps: { step: number; tokens: number }[] = [];
await train(await startToyRun(reference), { ...every, onStep: (metrics) => steps.push(metrics) });
const expected = { checkpoint: checkpointIn(reference), log: loggedIn(reference) };

/** That a folder holds what an uninterrupted run leaves. */
function expectSame(t: Test, folder: string, what: string): void {
  t.ok(checkpointIn(folder).equals(expected.checkpoint), `${what}: parameters, moments and state`);
  t.strictSame(loggedIn(folder), expected.log, `${what}: metrics`);
}

t.test("a run leaves its settings, a line for each step and a checkpoint of the last one", async (t) => {
  t.strictSame(readdirSync(reference).sort(), ["config.json", "metrics.jsonl", "model.safetensors"]);
  const { state } = readCheckpoint(reference);
  const { step, ...rest } = state;
  t.equal(step, 12);
  t.strictSame(JSON.parse(readFileSync(path.join(reference, "config.json"), "utf8")), rest);
  t.strictSame([rest.seed, rest.preset, rest.settings.steps, rest.vocabulary.length], [3, "toy", 12, 53]);
  t.strictSame(
    expected.log.map((metrics) => metrics.step),
    range(12).map((i) => i + 1),
  );
  t.strictSame(Object.keys(expected.log[0]!).sort(), [
    ...["gradNorm", "itmAccuracy", "itmLoss", "learningRate", "loss"],
    ...["mlmAccuracy", "mlmLoss", "step", "wpaLoss"],
  ]);
  t.equal(steps.length, 12);
  const [{ tokens }] = steps as [(typeof steps)[0]];
  t.ok(
    tokens % 16 === 0 && tokens > 16 * 21 && tokens <= 16 * 33,
    "two passes of 8 pairs of 4 to 16 words, 17 patches",
  );
});

t.test("the same seed gives the same bits, for any number of threads; another seed gives others", async (t) => {
  for (const threads of [1, 2]) {
    setThreads(threads);
    const folder = t.testdir();
    await train(await startToyRun(folder), every);
    expectSame(t, folder, `${threads} threads`);
  }
  const other = await startRun({ ...toyRun(path.join(t.testdir(), "new")), seed: 4 });
  await until(other, 1);
  t.notSame(loggedIn(other.folder)[0], expected.log[0]);
});

t.test("stopped and resumed, between checkpoints and at them, the bits are the same", async (t) => {
  for (const stops of [[5], [0, 4, 7], range(12)]) {
    const folder = t.testdir();
    let run = await startToyRun(folder);
    for (const stop of stops) {
      t.equal(await until(run, stop), false);
      t.equal(readCheckpoint(folder).state.step, stop);
      run = await resumeRun(folder);
      t.equal(run.pretrainer.step, stop);
    }
    t.equal(await train(run, every), true);
    expectSame(t, folder, `stopped after ${stops}`);
    t.equal(await train(await resumeRun(folder), every), true, "nothing is left to do");
    expectSame(t, folder, "and once more");
  }
});

t.test("killed between checkpoints and resumed, the bits are the same and each step is logged once", async (t) => {
  const child = fileURLToPath(new URL("killed-run.ts", import.meta.url));
  for (const lastStep of [2, 7]) {
    const folder = path.join(t.testdir(), "run");
    const options = JSON.stringify({ ...toyRun(folder), lastStep });
    const { signal, stderr } = spawnSync(process.execPath, [...process.execArgv, child, options]);
    t.equal(signal, "SIGKILL", String(stderr));
    t.equal(readCheckpoint(folder).state.step, lastStep - (lastStep % checkpointEvery), "later steps are lost");
    const run = await resumeRun(folder);
    t.equal(await train(run, every), true);
    expectSame(t, folder, `killed after ${lastStep}`);
  }
});

t.test(
  "steps that were logged after the checkpoint, a line cut in half, a half-written file: all made good",
  async (t) => {
    const full = readFileSync(path.join(reference, "metrics.jsonl"), "utf8").split("\n");
    for (const [logged, part] of [
      [6, 0.5],
      [4, 0.9],
      [7, 0],
    ] as const) {
      const folder = t.testdir();
      await until(await startToyRun(folder), 4);
      const log = path.join(folder, "metrics.jsonl");
      const next = full[logged]!;
      appendFileSync(log, [...full.slice(4, logged), next.slice(0, part * next.length)].join("\n"));
      writeFileSync(path.join(folder, "model.safetensors.tmp"), expected.checkpoint.subarray(0, 1000));
      const run = await resumeRun(folder);
      t.strictSame(loggedIn(folder), expected.log.slice(0, 4), "what is computed again is not there twice");
      t.equal(run.log.steps.length, 4);
      await train(run, every);
      expectSame(t, folder, `${logged} steps and a part of the next one`);
    }
    const folder = t.testdir();
    await until(await startToyRun(folder), 4);
    rmSync(path.join(folder, "metrics.jsonl"));
    await train(await resumeRun(folder), every);
    t.ok(checkpointIn(folder).equals(expected.checkpoint), "without a log too");
  },
);

t.test("a checkpoint or a log that cannot be written stops the run, which goes on once it can", async (t) => {
  for (const name of ["model.safetensors", "metrics.jsonl"]) {
    const folder = t.testdir();
    const file = path.join(folder, name);
    const run = await startToyRun(folder);
    await until(run, 4);
    const aside = path.join(folder, "aside");
    renameSync(file, aside);
    mkdirSync(file);
    await t.rejects(train(run, every), { code: /EISDIR|EPERM|EACCES/ });
    t.strictSame(readdirSync(folder).sort(), ["aside", "config.json", "metrics.jsonl", "model.safetensors"]);
    rmSync(file, { recursive: true });
    renameSync(aside, file);
    t.equal(readCheckpoint(folder).state.step, 4, "the old checkpoint is whole");
    await train(await resumeRun(folder), every);
    expectSame(t, folder, `no ${name}`);
  }
});

t.test("a loss that is no number stops the run, names the step and keeps the checkpoint", async (t) => {
  const folder = t.testdir();
  const run = await startToyRun(folder);
  await until(run, 4);
  const before = checkpointIn(folder);
  const { pretrainer } = run;
  for (const [broken, message] of [
    [{ loss: Number.NaN }, /^step 5: the loss is NaN .*the last checkpoint is kept, a smaller --learning-rate/],
    [{ gradNorm: Infinity }, /^step 6: the loss is \d.* length Infinity; the last checkpoint is kept/],
  ] as const) {
    const breaks = new Proxy(pretrainer, {
      get: (target, key) =>
        key === "train"
          ? async (...step: Parameters<typeof target.train>) => ({ ...(await target.train(...step)), ...broken })
          : Reflect.get(target, key, target),
    });
    await t.rejects(train({ ...run, pretrainer: breaks }, { checkpointEvery: 1 }), { name: "DataError", message });
    t.ok(checkpointIn(folder).equals(before));
  }
  const wild = await startToyRun(path.join(folder, "wild"), { learningRate: 1e30, warmup: 0 });
  const initial = checkpointIn(wild.folder);
  await t.rejects(train(wild, { checkpointEvery: 100 }), { name: "DataError", message: /^step 2: the loss is NaN/ });
  t.ok(checkpointIn(wild.folder).equals(initial), "a run can be resumed before it was first saved");
});

t.test(
  "a batch is prepared while the step before computes; what is wrong with it ends its own step alone",
  async (t) => {
    const folder = t.testdir();
    const run = await startToyRun(folder);
    let told = 0;
    const asked: [told: number, index: number][] = [];
    const dataset = Object.create(run.dataset, {
      sample: {
        value(...[split, index, options]: Parameters<typeof run.dataset.sample>) {
          asked.push([told, index]);
          if (index === 5 * 8 + 3) throw new DataError("scene 43 is torn");
          return run.dataset.sample(split, index, options);
        },
      },
    }) as typeof run.dataset;
    const training = train({ ...run, dataset }, { checkpointEvery: 1, onStep: ({ step }) => (told = step) });
    await t.rejects(training, { message: "scene 43 is torn" });
    t.strictSame(loggedIn(folder), expected.log.slice(0, 5));
    t.equal(readCheckpoint(folder).state.step, 5);
    t.strictSame(
      asked,
      range(44).map((i) => [Math.max(0, (i >> 3) - 1), i]),
      "once each, before the results of the step before are read",
    );
    await train(await resumeRun(folder), every);
    expectSame(t, folder, "without the torn scene");
  },
);

t.test("the time of a step is measured without touching the run", async (t) => {
  const folder = t.testdir();
  const run = await startToyRun(folder);
  const seconds = await measureStep(run);
  t.ok(seconds > 0 && seconds < 30);
  await train(run, every);
  expectSame(t, folder, "measured before");
});

t.test("what cannot be started says why, and nothing is overwritten", async (t) => {
  const before = readdirSync(reference).map((name) => readFileSync(path.join(reference, name)));
  await t.rejects(startToyRun(reference), {
    name: "ConfigError",
    message: `${reference}: there is a run in it already; --resume ${reference} goes on with it, --output names another`,
  });
  t.strictSame(
    readdirSync(reference).map((name) => readFileSync(path.join(reference, name))),
    before,
  );
  const folder = t.testdir({ "config.json": "somebody else's" });
  await t.rejects(startToyRun(folder), { message: /there is a run in it already/ });
  const fresh = toyRun(path.join(folder, "new"));
  const none = path.join(folder, "none");
  await t.rejects(startRun({ ...fresh, preset: "huge" }), {
    name: "ConfigError",
    message: /no preset "huge"; there are toy, /,
  });
  await t.rejects(startRun({ ...fresh, data: { name: none, truncate: false } }), {
    name: "DataError",
    message: `${none}: expected a captions file, or a folder with captions.jsonl or captions.json or dataset.json`,
  });
  await t.rejects(startRun({ ...fresh, settings: { steps: 0 } }), {
    name: "ConfigError",
    message: /^training settings: .*steps/,
  });
  t.strictSame(readdirSync(folder), ["config.json"], "no folder was made");
  await t.rejects(resumeRun(folder), { name: "DataError", message: /model\.safetensors: no checkpoint there/ });
});

/** Twelve pictures of six sizes with their captions. */
async function pictureFolder(folder: string, captions: Record<number, string> = {}): Promise<string> {
  const lines: string[] = [];
  for (const i of range(12)) {
    const [width, height] = [20 + 9 * (i % 3), 26 + 30 * (i % 2)];
    const background = { r: 20 * i, g: 120, b: 250 - 20 * i };
    await sharp({ create: { width, height, channels: 3, background } }).toFile(path.join(folder, `${i}.png`));
    const caption = captions[i] ?? `a picture of number ${i}`;
    lines.push(JSON.stringify({ image: `${i}.png`, caption, split: i < 9 ? "train" : "validation" }));
  }
  writeFileSync(path.join(folder, "captions.jsonl"), lines.join("\n"));
  return folder;
}

t.test("a folder of pictures of several sizes is trained on, stopped and resumed", async (t) => {
  const name = await pictureFolder(t.testdir());
  const runs: Run[] = [];
  for (const stop of [6, 3]) {
    const folder = path.join(name, `run ${stop}`);
    const options = {
      ...toyRun(folder, { steps: 6, batchSize: 4, pairing: "drawn" }),
      data: { name, truncate: false },
    };
    let run = await startRun(options);
    const batch = [run.dataset.sample("train", 0), run.dataset.sample("train", 1)];
    const [a, b] = await Promise.all(batch);
    t.ok(a!.height !== b!.height || a!.width !== b!.width, "sizes differ");
    if (!(await until(run, stop))) run = await resumeRun(folder);
    t.equal(await train(run, every), true);
    runs.push(run);
  }
  const [whole, resumed] = runs.map(({ folder }) => folder) as [string, string];
  t.ok(checkpointIn(whole).equals(checkpointIn(resumed)));
  t.strictSame(loggedIn(whole), loggedIn(resumed));
  t.ok(loggedIn(whole).every(({ loss }) => typeof loss === "number" && loss > 0));
});

t.test(
  "captions that cannot be used are named: a bad line, one that is too long unless it is cut, too few",
  async (t) => {
    const long = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen";
    const name = await pictureFolder(t.testdir(), { 4: long });
    const captions = path.join(name, "captions.jsonl");
    const start = (run: string, truncate: boolean, batchSize = 9) =>
      startRun({ ...toyRun(path.join(name, run), { steps: 2, batchSize }), data: { name, truncate } });
    await t.rejects(start("whole", false), {
      name: "DataError",
      message: new RegExp(`${captions}, line 5: the caption "one two .* the limit is 16$`),
    });
    t.equal(await train(await start("cut", true), every), true);
    await t.rejects(start("few", true, 10), {
      name: "DataError",
      message: `${name}: 9 training samples do not fill a batch of 10`,
    });
    copyFileSync(captions, path.join(name, "copy"));
    appendFileSync(captions, '\n{"image": "0.png"}');
    await t.rejects(start("bad", true), {
      name: "DataError",
      message: new RegExp(`${captions}, line 13: "caption": `),
    });
    t.strictSame(
      readdirSync(name).filter((file) => /whole|few|bad/.test(file)),
      [],
    );
  },
);

t.test("a few dozen steps lower the loss of masked words", async (t) => {
  const run = await startToyRun(t.testdir(), { steps: 60, batchSize: 16, learningRate: 3e-3 });
  await train(run, { checkpointEvery: 1000 });
  const mean = (from: number, to: number) =>
    run.log.steps.slice(from, to).reduce((sum, { mlmLoss }) => sum + mlmLoss, 0) / (to - from);
  t.comment(`masked words: ${mean(0, 5)} to ${mean(50, 60)}`);
  t.ok(Math.abs(mean(0, 1) - Math.log(53)) < 0.8, "at first every token is as likely");
  t.ok(mean(50, 60) < 0.7 * mean(0, 5));
});

t.test("a run starts from a checkpoint folder, and goes there and back without a change", async (t) => {
  const exported = path.join(t.testdir(), "exported");
  const first = await startToyRun(path.join(exported, "..", "first"), { steps: 3, batchSize: 8 });
  await train(first, every);
  const { backbone, maskedLanguageModelingHead } = first.pretrainer.model;
  const model = new ViltForMaskedLanguageModeling(backbone, { rng: null }, maskedLanguageModelingHead);
  writeModelFolder(exported, model, { vocabulary: first.tokenizer.vocabulary });
  const options = { ...toyRun(path.join(exported, "..", "second"), { steps: 2, batchSize: 8 }), from: exported };
  const second = await startRun(options);
  const [before, after] = [first, second].map((run) => run.pretrainer.model.namedParameters());
  for (const [name, { value }] of before!)
    if (!name.startsWith("imageTextMatchingHead"))
      t.strictSame(after!.get(name)!.value.dataSync(), value.dataSync(), name);
  t.strictSame(second.tokenizer.vocabulary, first.tokenizer.vocabulary);
  t.equal(await train(second, every), true);
  t.equal((await resumeRun(options.folder)).state.from, exported);
  await t.rejects(startRun({ ...options, folder: `${options.folder}-2`, from: t.testdirName }), {
    message: /no checkpoint there/,
  });
});

t.test("a preset is enlarged for captions that need more words or more tokens", async (t) => {
  const options = { ...toyRun(t.testdir(), { steps: 1, batchSize: 8 }), preset: "tiny" };
  const { state } = await startRun({ ...options, data: { name: "emoji-scenes-hard", truncate: false } });
  t.match(state.model, { vocabularySize: 67, maxTextLength: 17, hiddenSize: 64 });
});
