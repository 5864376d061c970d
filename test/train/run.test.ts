import { spawnSync } from "node:child_process";
import { appendFileSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import t, { type Test } from "tap";
import { setThreads } from "../../src/tensor/devices.ts";
import { DataError } from "../../src/tensor/errors.ts";
import { readCheckpoint } from "../../src/train/checkpoint.ts";
import { measureStep, resumeRun, startRun, train } from "../../src/train/run.ts";
import { checkpointIn, every, loggedIn, range, startToyRun, toyRun, until } from "./support.ts";

t.teardown(() => setThreads(2));

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
    t.equal(readCheckpoint(folder).state.step, lastStep - (lastStep % every.checkpointEvery), "later steps are lost");
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
      get: (target, key) => {
        if (key === "train")
          return async (...step: Parameters<typeof target.train>) => ({ ...(await target.train(...step)), ...broken });
        const value = Reflect.get(target, key, target);
        return typeof value === "function" ? value.bind(target) : value;
      },
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
    const uploaded: number[] = [];
    const { pretrainer } = run;
    const { upload } = pretrainer;
    pretrainer.upload = (batch) => {
      uploaded.push(told);
      upload.call(pretrainer, batch);
    };
    const training = train({ ...run, dataset }, { checkpointEvery: 1, onStep: ({ step }) => (told = step) });
    await t.rejects(training, { message: "scene 43 is torn" });
    t.strictSame(uploaded, [0, 0, 1, 2, 3], "once for each step, as early");
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

t.test("a few dozen steps lower the loss of masked words", async (t) => {
  const run = await startToyRun(t.testdir(), { steps: 60, batchSize: 16, learningRate: 3e-3 });
  await train(run, { checkpointEvery: 1000 });
  const mean = (from: number, to: number) =>
    run.log.steps.slice(from, to).reduce((sum, { mlmLoss }) => sum + mlmLoss, 0) / (to - from);
  t.comment(`masked words: ${mean(0, 5)} to ${mean(50, 60)}`);
  t.ok(Math.abs(mean(0, 1) - Math.log(53)) < 0.8, "at first every token is as likely");
  t.ok(mean(50, 60) < 0.7 * mean(0, 5));
});
