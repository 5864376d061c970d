// What `npm run bench -- gpu` times, in Node and on its page: the same works on every device, one after the other.
import * as v from "../../dist/browser.js";
import { syntheticBatch } from "../../dist/train/synthetic-batch.js";
import { summarize } from "../harness/turns.mjs";

/** Runs before anything is timed: kernels are compiled, memory is taken. */
const WARM_UP = 2;

/**
 * @param devices names of loaded devices
 * @param isQuick small sizes, for machines without a GPU
 * @param report called with each result as it is there
 * @returns rows as the other benchmarks print them, each with what the counters of gpu say of one run
 */
export async function measure({ devices, runs, isQuick = false, report = () => {} }) {
  const results = [];
  for (const work of isQuick ? quickWorks : works)
    for (const device of devices) {
      const result = await timed(work, device, runs);
      results.push(result);
      await report(result);
    }
  return results;
}

async function timed({ name, config, flops, bytes, times = 1, prepare }, device, runs) {
  const { run, release } = await prepare(device);
  const isGpu = device.startsWith("gpu");
  const samples = [];
  for (let n = -WARM_UP; n < runs; n++) {
    if (n === 0 && isGpu) v.resetGpuCounters(device);
    const start = performance.now();
    await run();
    if (n >= 0) samples.push((performance.now() - start) / times);
  }
  const counters = isGpu ? perRun(v.gpuCounters(device), runs) : null;
  release();
  const timing = summarize(samples, flops ?? 0);
  const gigabytesPerSecond = (bytes ?? 0) / timing.medianMs / 1e6;
  return { name, device, ...timing, gigabytesPerSecond, config, counters };
}

/** Counts of one run; levels as they are. */
function perRun(counters, runs) {
  const levels = new Set(["live", "liveBytes"]);
  return Object.fromEntries(
    Object.entries(counters).map(([name, count]) => [name, levels.has(name) ? count : count / runs]),
  );
}

/** `step` applied over and over to what `start` makes; one number is read at the end, so that all of it is waited for. */
function chain(name, times, config, { start, step, ...rates }) {
  const prepare = async (device) => {
    const operands = v.noGrad(() => start(device).map((x) => x.keep()));
    const run = async () => {
      const out = v.noGrad(() => {
        let x = operands[0];
        for (let n = 0; n < times; n++) x = step(x, ...operands.slice(1));
        return v.sum(x);
      });
      await out.data();
      out.release();
    };
    return { run, release: () => operands.forEach((x) => void x.release()) };
  };
  return { name, times, config: { ...config, times }, prepare, ...rates };
}

const drawn = (shape, device, scale = 1) => v.randn(shape, new v.Rng(1), { device, std: scale });

const launchOverhead = chain(
  "one cell, add",
  200,
  { cells: 1 },
  {
    start: (device) => [v.tensor([0], { device }), v.tensor([1], { device })],
    step: v.add,
  },
);

function additions(cells, times) {
  return chain(
    `add ${cells}`,
    times,
    { cells },
    {
      start: (device) => [drawn([cells], device), drawn([cells], device)],
      step: v.add,
      bytes: 12 * cells,
    },
  );
}

function product(n, times) {
  return chain(
    `matmul ${n}`,
    times,
    { m: n, n, k: n },
    {
      start: (device) => [drawn([n, n], device), drawn([n, n], device, n ** -0.5)],
      step: (x, w) => v.matmul(x, w),
      flops: 2 * n ** 3,
    },
  );
}

function normalization(rows, width, times) {
  return chain(
    `layerNorm ${rows} × ${width}`,
    times,
    { rows, width },
    {
      start: (device) => [drawn([rows, width], device), drawn([width], device), drawn([width], device)],
      step: (x, weight, bias) => v.layerNorm(x, weight, bias, 1e-5),
    },
  );
}

function attentions(B, N, width, numHeads) {
  return chain(
    `attention ${B} × ${N} × ${width}`,
    1,
    { B, N, width, numHeads },
    {
      start: (device) => [drawn([B, N, 3 * width], device)],
      step: (qkv) => v.attention(qkv, numHeads),
      flops: 4 * B * N * N * width,
    },
  );
}

function trainingStep(name, size) {
  const { model, batchSize, wordPatchAlignment } = v.getPreset(name);
  const config = { preset: name, batch: size ?? batchSize, losses: ["mlm", "itm", "wpa"] };
  const prepare = async (device) => {
    const placement = { device, dtype: "float32" };
    const settings = v.trainingSettings(name);
    const pretrainer = new v.Pretrainer({ model, wordPatchAlignment, settings, seed: 0, placement });
    const batch = syntheticBatch(model, config.batch, new v.Rng(0));
    return { run: () => pretrainer.train(batch), release: () => {} };
  };
  return { name: `train-step ${name}, ${config.batch} pairs`, config, prepare };
}

const works = [
  launchOverhead,
  additions(2 ** 20, 20),
  product(256, 20),
  product(512, 10),
  product(1024, 4),
  normalization(4096, 256, 10),
  attentions(16, 128, 256, 8),
  trainingStep("toy"),
  trainingStep("tiny"),
];
const quickWorks = [
  launchOverhead,
  // Often enough for the clock of a browser, which ticks ten times a millisecond.
  additions(2 ** 14, 50),
  product(64, 20),
  normalization(64, 64, 50),
  trainingStep("toy", 2),
];
