// How fast is the matrix product of the wasm device? npm run bench -- matmul [--runs 20] [--threads 1,2] [--json]
// Square products, and those of one linear layer of the presets: forward x Wᵀ, and both gradients. The first row is the
// innermost loop by itself, on one thread. It is timed in turn with each product: the clock and the neighbours of a machine
// change from one second to the next, and what a product reaches of it is the median of what it reached in each round.
import { parseArgs } from "node:util";
import { createWasmBackend, hasFusedMultiplyAdd, setThreads } from "../dist/tensor/backends/wasm/index.js";
import { printResults } from "./harness/report.mjs";
import { ratioOf, summarize, timeInTurn } from "./harness/turns.mjs";
import { compileMicroKernel } from "./matmul/micro-kernel.mjs";

const { values: options } = parseArgs({
  options: {
    runs: { type: "string", default: "20" },
    threads: { type: "string", default: "1,2" },
    json: { type: "boolean", default: false },
  },
});

/** name, preset, rows, columns and inner dimension of the product, and which operands are read transposed. */
const products = [
  ...[512, 768, 1024].map((n) => [`matmul ${n}`, "square", n, n, n, false, false]),
  ...linear("tiny", 1920, 64, 256),
  ...linear("small", 1168, 256, 1024),
  ...linear("b32", 240, 768, 3072),
];

function linear(preset, rows, inputs, outputs) {
  return [
    [`linear ${inputs} to ${outputs}`, preset, rows, outputs, inputs, false, true],
    ["its gradient of x", preset, rows, inputs, outputs, false, false],
    ["its gradient of W", preset, outputs, inputs, rows, true, false],
  ];
}

const backend = createWasmBackend();

function operand(shape) {
  const values = Float32Array.from({ length: shape[0] * shape[1] }, (_, i) => Math.sin(i));
  return { shape, dtype: "float32", storage: backend.upload(values, "float32") };
}

const counts = options.threads.split(",").map(Number);
const columns = backend.device.tileColumns;
const microKernel = await compileMicroKernel(hasFusedMultiplyAdd(), columns);

/** An entry of `timeInTurn`. */
function entry(multiply, threads) {
  const run = (repeats) => {
    setThreads(threads);
    const start = performance.now();
    for (let i = 0; i < repeats; i++) multiply();
    return (performance.now() - start) / repeats;
  };
  return { threads, run };
}

const microTimes = [];

async function measure([name, preset, m, n, k, transposeA, transposeB]) {
  const a = operand(transposeA ? [k, m] : [m, k]);
  const b = operand(transposeB ? [n, k] : [k, n]);
  const out = operand([m, n]);
  const flops = 2 * m * n * k;
  const multiply = () => {
    backend.run("matmul", [a, b], out, { transposeA, transposeB });
    backend.settle();
  };
  const micro = entry(microKernel.run, 1);
  const entries = counts.map((threads) => entry(multiply, threads));
  // All in one process, and the less time between two of them the better they compare.
  await timeInTurn([micro, ...entries], { runs: Number(options.runs), pauseMs: 0, wakeMs: 20 });
  for (const { storage } of [a, b, out]) backend.release(storage);
  microTimes.push(...micro.times);
  const config = { m, n, k, transposeA, transposeB, fusedMultiplyAdd: hasFusedMultiplyAdd() };
  return entries.map(({ threads, times }) => {
    const timesFirst = ratioOf(entries[0].times, times);
    const shareOfInnermostLoop = (ratioOf(micro.times, times) * flops) / microKernel.flops;
    return {
      name,
      preset,
      device: "wasm",
      threads,
      ...summarize(times, flops),
      timesFirst,
      shareOfInnermostLoop,
      config,
    };
  });
}

const results = [];
for (const product of products) results.push(...(await measure(product)));
const micro = { name: "innermost loop", preset: `6 × ${columns}`, device: "wasm", threads: 1, config: {} };
printResults([{ ...micro, ...summarize(microTimes, microKernel.flops) }, ...results], options.json);
