// How fast is the matrix product of the wasm device? npm run bench -- matmul [--runs 20] [--threads 1,2] [--json]
// Square products, and those of one linear layer of the presets: forward x Wᵀ, and both gradients. The first row is the
// innermost loop by itself, on one thread; it is timed between the products again and again.
import { parseArgs } from "node:util";
import { createWasmBackend, hasFusedMultiplyAdd, setThreads } from "../dist/tensor/backends/wasm/index.js";
import { compileMicroKernel } from "./matmul/micro-kernel.mjs";
import { median, printResults } from "./report.mjs";

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

async function measure([name, preset, m, n, k, transposeA, transposeB]) {
  const a = operand(transposeA ? [k, m] : [m, k]);
  const b = operand(transposeB ? [n, k] : [k, n]);
  const out = operand([m, n]);
  // One run is long enough for the clock and for threads to come up: ten milliseconds or so.
  const repeats = Math.max(1, Math.round(1.2e9 / (2 * m * n * k)));
  const multiply = () => {
    backend.run("matmul", [a, b], out, { transposeA, transposeB });
    backend.settle();
  };
  const times = new Map(counts.map((threads) => [threads, []]));
  for (let run = -3; run < Number(options.runs); run++)
    for (const threads of counts) {
      setThreads(threads);
      for (let i = 0; i < repeats; i++) multiply();
      const start = performance.now();
      for (let i = 0; i < repeats; i++) multiply();
      if (run >= 0) times.get(threads).push((performance.now() - start) / repeats);
      else await new Promise((resolve) => setTimeout(resolve, 20)); // lets the threads start
    }
  for (const { storage } of [a, b, out]) backend.release(storage);
  const config = { m, n, k, transposeA, transposeB, fusedMultiplyAdd: hasFusedMultiplyAdd() };
  return counts.map((threads) => {
    const sorted = times.get(threads).sort((x, y) => x - y);
    const medianMs = median(sorted);
    const gflops = (2 * m * n * k) / medianMs / 1e6;
    return { name, preset, device: "wasm", threads, medianMs, minMs: sorted[0], runs: sorted.length, gflops, config };
  });
}

const columns = backend.device.tileColumns;
const microKernel = await compileMicroKernel(hasFusedMultiplyAdd(), columns);
const microTimes = [];

function timeMicroKernel() {
  for (let run = 0; run < 5; run++) {
    const start = performance.now();
    microKernel.run();
    microTimes.push(performance.now() - start);
  }
}

/** Its row; the best that it reached is the limit. */
function microResult() {
  const sorted = microTimes.sort((x, y) => x - y);
  const [minMs] = sorted;
  const timing = { threads: 1, medianMs: median(sorted), minMs, runs: sorted.length };
  const gflops = microKernel.flops / minMs / 1e6;
  return { name: "innermost loop", preset: `6 × ${columns}`, device: "wasm", ...timing, gflops, config: {} };
}

const results = [];
timeMicroKernel();
for (const product of products) {
  results.push(...(await measure(product)));
  timeMicroKernel();
}
const limit = microResult();
const shares = results.map((result) => ({ ...result, shareOfInnermostLoop: result.gflops / limit.gflops }));
printResults([limit, ...shares], options.json);
