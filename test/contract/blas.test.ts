import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import t from "tap";
import { feedForward } from "../../src/autograd/functions/feed-forward.ts";
import { gelu } from "../../src/autograd/functions/gelu.ts";
import { linear } from "../../src/autograd/functions/linear.ts";
import { linearGelu } from "../../src/autograd/functions/linear-gelu.ts";
import { grad } from "../../src/autograd/grad.ts";
import { noGrad } from "../../src/autograd/graph.ts";
import { add, mul } from "../../src/autograd/ops/arithmetic.ts";
import { transpose } from "../../src/autograd/ops/layout.ts";
import { matmul } from "../../src/autograd/ops/linalg.ts";
import { sum } from "../../src/autograd/ops/reduce.ts";
import { fittingKernels } from "../../src/tensor/backends/wasm/blas.ts";
import { tilesByWorkers } from "../../src/tensor/backends/wasm/index.ts";
import { processorFeatures } from "../../src/tensor/backends/wasm/platform.ts";
import { ones, randn } from "../../src/tensor/create.ts";
import { getThreads, setBlas, setThreads } from "../../src/tensor/devices.ts";
import { Rng } from "../../src/tensor/rng.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";

/** Why there is nothing to test here, or false. */
function missing(): string | false {
  try {
    setBlas("auto");
    return false;
  } catch (error) {
    return (error as Error).message;
  } finally {
    setBlas(null);
  }
}
const skip = missing();

/** The same with BLAS and without. */
function both(compute: () => Tensor[]): [Float32Array[], Float32Array[]] {
  const read = () => compute().map((x) => x.dataSync() as Float32Array);
  setBlas("auto");
  const native = read();
  setBlas(null);
  return [native, read()];
}

const close = (a: Float32Array, b: Float32Array) =>
  a.length === b.length && a.every((value, i) => Math.abs(value - b[i]!) <= 1e-4 + 1e-4 * Math.abs(b[i]!));

t.test("products in all four transpositions, and linear maps with bias and residual", { skip }, async (t) => {
  const threads = getThreads();
  t.teardown(() => {
    setBlas(null);
    setThreads(threads);
  });
  setThreads(1); // gives it small products too
  const rng = new Rng(1);
  for (const [m, n, k] of [
    [96, 80, 112],
    [301, 77, 129],
    [1, 1200, 900],
  ] as const) {
    for (const transposeA of [false, true])
      for (const transposeB of [false, true]) {
        const a = randn(transposeA ? [k, m] : [m, k], rng);
        const b = randn(transposeB ? [n, k] : [k, n], rng);
        const [[native], [own]] = both(() => [matmul(a, b, { transposeA, transposeB })]);
        t.ok(close(native!, own!), `${m}×${n}×${k} ${transposeA} ${transposeB}`);
      }
    const [x, w] = [randn([m, k], rng), randn([n, k], rng)];
    const [bias, residual] = [randn([n], rng), randn([m, n], rng)];
    const f = (x: Tensor, w: Tensor, bias: Tensor, residual: Tensor) => sum(gelu(linear(x, w, bias, residual)));
    const [native, own] = both(() => [linear(x, w, bias, residual), linear(x, w), ...grad(f)(x, w, bias, residual)]);
    for (const [i, value] of native.entries()) t.ok(close(value, own[i]!), `linear ${m}×${n}×${k}, result ${i}`);
  }
});

t.test("every thread calls the library for its own tile, with all that is done to it", { skip }, async (t) => {
  const threads = getThreads();
  t.teardown(() => {
    setBlas(null);
    setThreads(threads);
  });
  const rng = new Rng(3);
  const [x, w] = [randn([301, 258], rng), randn([203, 258], rng)];
  const [bias, residual] = [randn([203], rng), randn([301, 203], rng)];
  const twice = (x: Tensor, w: Tensor) => sum(add(linear(x, w), mul(linear(x, w, bias), residual))); // shares of gradients
  const compute = () => [
    ...noGrad(() => [linear(x, w, bias, residual), linearGelu(x, w, bias)]),
    ...grad(twice)(x, w),
    ...grad((x: Tensor, w: Tensor, bias: Tensor) =>
      sum(mul(x, feedForward(x, { weight: w, bias }, { weight: transpose(w), bias: ones([258]) }))),
    )(x, w, bias),
  ];
  for (const count of [1, 2, 3, 5]) {
    setThreads(count);
    const end = Date.now() + 30_000;
    const before = tilesByWorkers();
    do {
      const [native, own] = both(compute);
      for (const [i, value] of native.entries()) if (!close(value, own[i]!)) t.fail(`${count} threads, result ${i}`);
    } while (count > 1 && tilesByWorkers() === before && Date.now() < end);
    if (count > 1) t.ok(tilesByWorkers() > before, `${count} threads`);
  }
});

t.test("it really computes: its bits are its own, and small products are not given to it", { skip }, async (t) => {
  t.teardown(() => setBlas(null));
  const rng = new Rng(2);
  const [a, b] = [randn([256, 900], rng), randn([900, 256], rng)];
  const [[native], [own]] = both(() => [matmul(a, b)]);
  t.notOk(Buffer.from(native!.buffer).equals(Buffer.from(own!.buffer)), "another order of sums");
  const [c, d] = [randn([20, 90], rng), randn([90, 20], rng)];
  const [[small], [same]] = both(() => [matmul(c, d)]);
  t.ok(Buffer.from(small!.buffer).equals(Buffer.from(same!.buffer)));
  t.match(setBlas("auto"), /blas|mkl|Accelerate/i);
  setThreads(1);
  setThreads(2);
});

t.test("kernels that fit the processor, also where OpenBLAS does not know it", async (t) => {
  const wide = ["avx512f", "avx512cd", "avx512bw", "avx512dq", "avx512vl"];
  for (const [chosen, features, fitting] of [
    ["Prescott", ["sse3", "avx2", "fma", ...wide], "SkylakeX"],
    ["Prescott", ["sse3", "avx2", "fma", ...wide.slice(1)], "Haswell"],
    ["Prescott", ["sse3", "avx", "avx2"], null],
    ["Prescott", [], null],
    ["Zen", ["avx2", "fma", ...wide], null],
    ["undefined", ["avx2", "fma", ...wide], null],
  ] as const)
    t.equal(fittingKernels(chosen, new Set(features)), fitting, `${chosen}, ${features}`);
});

t.test("OpenBLAS is told which, unless somebody else told it", { skip }, async (t) => {
  const library = setBlas("auto")!;
  setBlas(null);
  if (!library.includes("openblas")) return void t.pass(`${library} chooses for itself`);
  const child = fileURLToPath(new URL("openblas-kernels.ts", import.meta.url));
  const chosen = (told: Record<string, string>) => {
    const { OPENBLAS_CORETYPE: _, ...inherited } = process.env;
    const { stdout, stderr, status } = spawnSync(process.execPath, [...process.execArgv, child, library], {
      env: { ...inherited, ...told },
      encoding: "utf8",
    });
    t.equal(status, 0, stderr);
    return stdout.trim();
  };
  t.match(chosen({}), /^\w+ undefined$/, "the environment is as it was");
  if (processorFeatures().has("avx2")) t.notMatch(chosen({}), "Prescott");
  if (process.arch === "x64") t.equal(chosen({ OPENBLAS_CORETYPE: "Prescott" }), "Prescott Prescott");
});

t.test("without a library: one error that says what to do, and WebAssembly goes on", async (t) => {
  t.throws(() => setBlas("/nowhere/libblas.so"), {
    name: "DeviceError",
    message: /^blas: (\/nowhere\/libblas\.so cannot be used: |the package koffi is not installed)/,
  });
  t.equal(setBlas(null), null);
  t.equal(matmul(randn([4, 4], new Rng(0)), randn([4, 4], new Rng(1))).size, 16);
});
