// What does a gradient cost beside its forward pass? npm run bench -- autodiff [--runs 30] [--threads 1] [--json]
// Time and peak memory of `grad` against the forward pass, for an MLP and a ViLT block; and what recording adds to an
// operation: a chain of additions of a few numbers, recorded and not recorded.
import { parseArgs } from "node:util";
import { grad } from "../dist/autograd/grad.js";
import { noGrad, variable } from "../dist/autograd/graph.js";
import { add } from "../dist/autograd/ops/arithmetic.js";
import { sum } from "../dist/autograd/ops/reduce.js";
import { Mlp } from "../dist/nn/mlp.js";
import { getBackend } from "../dist/tensor/backend.js";
import { randn } from "../dist/tensor/create.js";
import { setThreads } from "../dist/tensor/devices.js";
import { Rng } from "../dist/tensor/rng.js";
import { scope } from "../dist/tensor/scope.js";
import { getPreset } from "../dist/vilt/config.js";
import { EncoderLayer } from "../dist/vilt/encoder-layer.js";
import { median, printResults } from "./harness/report.mjs";
import { ratioOf, summarize, timeInTurn } from "./harness/turns.mjs";

const { values: options } = parseArgs({
  options: {
    runs: { type: "string", default: "30" },
    threads: { type: "string", default: "1" },
    preset: { type: "string", default: "tiny" },
    json: { type: "boolean", default: false },
  },
});

const rng = new Rng(0);
const threads = Number(options.threads);
setThreads(threads);
const device = "wasm";
const backend = getBackend(device);

/** Milliseconds of each body, by name, taken in turn. */
async function times(bodies) {
  const entries = Object.entries(bodies).map(([name, body]) => {
    const run = async (repeats) => {
      const start = performance.now();
      for (let i = 0; i < repeats; i++) body();
      backend.settle();
      return (performance.now() - start) / repeats;
    };
    return { name, run };
  });
  await timeInTurn(entries, { runs: Number(options.runs), pauseMs: 0, wakeMs: 0 });
  return entries;
}

/** Most bytes of tensors and working space in use during a call, beyond what was in use before it. */
function peakBytes(body) {
  const before = backend.memory().used;
  const { allocate } = backend;
  let peak = before;
  backend.allocate = (...args) => {
    const storage = allocate.apply(backend, args);
    peak = Math.max(peak, backend.memory().used);
    return storage;
  };
  try {
    body();
  } finally {
    delete backend.allocate;
  }
  return peak - before;
}

async function gradientCost(preset, model, shape, config) {
  const x = randn(shape, rng, { device });
  const weights = model.parameters().map(({ value }) => value);
  const forward = () => noGrad(() => sum(model.forward(x))).release();
  const gradient = () =>
    scope(() => {
      const input = variable(x);
      grad(sum(model.forward(input)), [input, ...weights]);
    });
  const measured = await times({ forward, grad: gradient });
  const peaks = { forward: peakBytes(forward), grad: peakBytes(gradient) };
  const parameters = model.countParameters();
  return measured.map(({ name, times }) => ({
    ...{ name, preset, device, threads, ...summarize(times, 0), peakBytes: peaks[name] },
    timeRatio: ratioOf(times, measured[0].times),
    memoryRatio: peaks[name] / peaks.forward,
    config: { ...config, shape, parameters },
  }));
}

const CHAIN = 1000;

async function recordingCost() {
  const one = randn([4], rng, { device });
  const chain = (start) => {
    let y = start;
    for (let i = 0; i < CHAIN; i++) y = add(y, one);
    return y;
  };
  const start = variable(one);
  const measured = await times({
    "not recorded": () => scope(() => void chain(one)),
    recorded: () => scope(() => void chain(start)),
    "recorded, and pulled back": () => scope(() => void grad(sum(chain(start)), [start])),
  });
  const [{ times: plain }] = measured;
  const perOperation = (milliseconds) => (1000 * median(milliseconds)) / CHAIN;
  return measured.map(({ name, times }) => ({
    ...{ name, preset: "chain", device, threads, ...summarize(times, 0) },
    microsecondsPerOperation: perOperation(times),
    overheadMicroseconds: perOperation(times.map((ms, round) => ms - plain[round])),
    timeRatio: ratioOf(times, plain),
    config: { operation: "add", shape: [4], operations: CHAIN, targetMicroseconds: 2 },
  }));
}

const { model } = getPreset(options.preset);
const [batch, tokens] = [16, 50];
const results = [
  ...(await gradientCost("mlp", new Mlp(256, 1024, { rng, device }), [256, 256], {
    layers: "256, 1024, 256",
    batch: 256,
  })),
  ...(await gradientCost(
    `block ${options.preset}`,
    new EncoderLayer(model, { rng, device }),
    [batch, tokens, model.hiddenSize],
    {
      ...{ hiddenSize: model.hiddenSize, heads: model.numHeads, mlpRatio: model.mlpRatio, batch, tokens },
    },
  )),
  ...(await recordingCost()),
];

if (options.json) printResults(results, true);
else
  console.table(
    results.map(({ name, preset, medianMs, minMs, peakBytes, timeRatio, memoryRatio, overheadMicroseconds }) => ({
      ...{ name, preset, "median ms": medianMs.toFixed(3), "min ms": minMs.toFixed(3) },
      "times forward": timeRatio.toFixed(2),
      "peak MiB": peakBytes === undefined ? "" : (peakBytes / 2 ** 20).toFixed(2),
      "times its memory": memoryRatio?.toFixed(2) ?? "",
      "overhead µs": overheadMicroseconds?.toFixed(2) ?? "",
    })),
  );
