import { createRequire } from "node:module";
import t from "tap";
import { attention } from "../../src/autograd/functions/attention.ts";
import { dropout } from "../../src/autograd/functions/dropout.ts";
import { gelu } from "../../src/autograd/functions/gelu.ts";
import { layerNorm } from "../../src/autograd/functions/layer-norm.ts";
import { linear } from "../../src/autograd/functions/linear.ts";
import { softmax } from "../../src/autograd/functions/softmax.ts";
import { grad } from "../../src/autograd/grad.ts";
import { variable } from "../../src/autograd/graph.ts";
import { neg } from "../../src/autograd/ops/arithmetic.ts";
import { gather } from "../../src/autograd/ops/indexing.ts";
import { concat } from "../../src/autograd/ops/layout.ts";
import { sum } from "../../src/autograd/ops/reduce.ts";
import { argsort } from "../../src/autograd/ops/sort.ts";
import { exp } from "../../src/autograd/ops/transcendental.ts";
import { deviceNames, getBackend, registerBackend } from "../../src/tensor/backend.ts";
import { Cells, type CellsDevice } from "../../src/tensor/backends/gpujs/cells.ts";
import { gpuKernels } from "../../src/tensor/backends/gpujs/kernels/index.ts";
import type { GpuOperand, GpuResult, Launch } from "../../src/tensor/backends/gpujs/kernels/types.ts";
import type { Launcher } from "../../src/tensor/backends/gpujs/launcher.ts";
import { openGpu } from "../../src/tensor/backends/gpujs/open.ts";
import { fromArray, randn } from "../../src/tensor/create.ts";
import { loadGpu } from "../../src/tensor/devices.ts";
import { Rng } from "../../src/tensor/rng.ts";

const onHost = (launcher: Launcher, values: Float32Array) => Cells.onHost(launcher, values.length, values);

/** How many kernels gpu.js keeps. */
const kernelsOf = ({ gpu }: Launcher) => (gpu as unknown as { readonly kernels: readonly unknown[] }).kernels.length;

const broken = (launch: Launch, [x]: readonly GpuOperand[], { size }: GpuResult) =>
  launch("function (x) { return frobnicate(x[this.thread.x]); }", [x!.cells], size);

const isGpuJsLoaded = () =>
  Object.keys(createRequire(import.meta.url).cache).some((file) => /gpu\.js[\\/]src[\\/]/.test(file));

t.test("gpu.js is loaded when the device is asked for, and not before", async (t) => {
  t.notOk(isGpuJsLoaded());
  t.notOk(deviceNames().some((name) => name.startsWith("gpu")));
  const name = await loadGpu();
  t.ok(isGpuJsLoaded());
  t.match(name, /^gpu:(webgpu|webgl2|headlessgl|webasm|cpu)$/);
  t.equal(getBackend("gpu"), getBackend(name), "plain gpu is the mode that it names");
  t.equal(await loadGpu(), name);
  const [cpu, again] = await Promise.all([1, 2].map(async () => getBackend(await loadGpu("cpu"))));
  t.equal(cpu!.name, "gpu:cpu");
  t.equal(cpu, again, "what is loaded twice at once is one device");
  t.equal(getBackend("gpu").name, name);
});

t.test("what a device lacks is answered by cpu and counted", async (t) => {
  const { exp: _, ...kernels } = gpuKernels;
  for (const isAsynchronous of [false, true]) {
    const device = `without exp${isAsynchronous ? ", later" : ""}`;
    const backend = (await openGpu("webasm", { kernels, isAsynchronous, name: device }))!;
    registerBackend(device, () => backend);
    const x = fromArray(Float32Array.of(0, 1, -2), [3], { device });
    const y = exp(gelu(x));
    t.same([...backend.fallbacks], [["exp", 1]]);
    const expected = exp(gelu(fromArray(Float32Array.of(0, 1, -2), [3], { device: "cpu" }))).dataSync();
    for (const [i, value] of (await y.data()).entries()) t.ok(Math.abs(value - expected[i]!) < 1e-6);
  }
});

t.test("where a kernel cannot be compiled, cpu answers, and it is counted and said once", async (t) => {
  const kernels = { ...gpuKernels, exp: broken } satisfies typeof gpuKernels;
  for (const isAsynchronous of [false, true]) {
    const warned = t.capture(console, "warn");
    const device = `with a broken exp${isAsynchronous ? ", later" : ""}`;
    const backend = (await openGpu("webasm", { kernels, isAsynchronous, name: device }))!;
    registerBackend(device, () => backend);
    const x = fromArray(Float32Array.of(0, 1, -2), [3], { device });
    const y = exp(neg(exp(x)));
    const expected = [0, 1, -2].map((value) => Math.exp(-Math.exp(value)));
    for (const [i, value] of (await y.data()).entries()) t.ok(Math.abs(value - expected[i]!) < 1e-6);
    t.same([...backend.fallbacks], [["exp", 2]]);
    t.equal(backend.counters.fallbacks, 2);
    const [{ args } = { args: [] }, ...rest] = warned();
    t.match(args[0], /^exp: device with a broken exp.* could not compile or run its kernel .*; cpu answers instead$/);
    t.same(rest, []);
  }
});

t.test("what is too large to be addressed is answered by cpu, and stays on the host", async (t) => {
  const warned = t.capture(console, "warn");
  const device = await loadGpu("webasm");
  const x = fromArray(new Float32Array(4097 * 4096).fill(2), [4097, 4096], { device });
  const y = sum(exp(x), 1);
  const expected = 4096 * Math.exp(2);
  t.ok([...y.dataSync()].every((value) => Math.abs(value / expected - 1) < 1e-6));
  t.match(
    warned().map(({ args }) => args[0]),
    [/^exp: \[4097, 4096\] has .* cells/, /^sum: /],
  );
});

t.test("where a step of a kernel is too large to be addressed, nothing wrong is computed", async (t) => {
  const warned = t.capture(console, "warn");
  const device = await loadGpu("webasm");
  const backend = getBackend(device);
  const count = 2 ** 23 + 40; // both moments are computed in one launch
  const halves = new Float32Array(count).fill(0.5);
  const bits = halves.map((_, i) => i % 2);
  const storages = [halves, halves, halves, bits, Float32Array.of(1)].map((x) => backend.upload(x, "float32"));
  const operands = storages.map((storage) => ({ shape: [storage.size], dtype: storage.dtype, storage }));
  const out = { shape: [0], dtype: "float32", storage: backend.allocate("float32", 0) } as const;
  const decay = { gradientDecay: 0, decayBefore: 0, decayAfter: 0 };
  backend.run("adamw", operands, out, { beta1: 0.5, beta2: 0.5, eps: 0, stepSize: 0.25, ...decay });
  const [, , mean, square] = storages.map((storage) => backend.readSync(storage));
  t.equal(
    mean!.findIndex((value) => value !== 0.5),
    -1,
  );
  t.equal(
    square!.findIndex((value, i) => value !== 0.125 + (i % 2) / 2),
    -1,
  );
  t.match(warned()[0]?.args[0], /^adamw: a step of it has 16777296 cells, and device gpu:webasm can address 16777216/);
  const qkv = fromArray(new Float32Array(4100 * 3), [1, 4100, 3], { device });
  t.throws(() => attention(qkv, 1), { message: /^attention: a step of it has 16810000 cells/ });
});

t.test("with kernels that answer later, nothing but data() waits, and values and gradients are the same", async (t) => {
  const device = "later";
  const backend = (await openGpu("webasm", { isAsynchronous: true, name: device }))!;
  registerBackend(device, () => backend);
  const results = [device, await loadGpu("webasm")].map((device) => {
    const rng = new Rng("gpu");
    const [x, w, b] = [[70, 60], [60, 60], [60]].map((shape) => variable(randn(shape, rng, { device })));
    const y = dropout(layerNorm(gelu(linear(x!, w!, b)), b!, b!, 1e-5), 0.2, rng);
    return [y.alias(), ...grad(sum(y), [x!, w!, b!])];
  });
  t.throws(() => results[0]![0]!.dataSync(), { message: /answers later/ });
  for (const [i, late] of results[0]!.entries()) t.same(await late.data(), results[1]![i]!.dataSync());
});

t.test(
  "where a step of an optimiser turns out later not to compile, cpu answers, and the next steps go on",
  async (t) => {
    const warned = t.capture(console, "warn");
    const backend = (await openGpu("webasm", { isAsynchronous: true, name: "without moments" }))!;
    const { launcher } = backend;
    const { launch } = launcher;
    // The first of the two kernels of a step.
    launcher.launch = (operation, source, ...rest) =>
      launch.call(
        launcher,
        operation,
        source.includes("rest1") ? "function () { return frobnicate(); }" : source,
        ...rest,
      );
    const values = [[1, 2], [0.5, -0.5], [0, 0], [0, 0], [1]].map((each) => Float32Array.from(each));
    const decay = { gradientDecay: 0, decayBefore: 0.01, decayAfter: 0 };
    const attributes = { beta1: 0.9, beta2: 0.99, eps: 1e-8, stepSize: 0.1, ...decay };
    const results = [backend, getBackend("cpu")].map((device) => {
      const storages = values.map((each) => device.upload(each, "float32"));
      const operands = storages.map((storage) => ({ shape: [storage.size], dtype: storage.dtype, storage }));
      const out = { shape: [0], dtype: "float32", storage: device.allocate("float32", 0) } as const;
      device.run("adamw", operands, out, attributes);
      const early = device.read(storages[2]!); // before anything is known
      for (let step = 1; step < 3; step++) device.run("adamw", operands, out, attributes);
      return Promise.all([early, ...storages.map((storage) => device.read(storage))]);
    });
    const [late, expected] = await Promise.all(results);
    t.same(late, expected);
    t.same([...backend.fallbacks], [["adamw", 3]]);
    t.equal(warned().length, 1);
  },
);

t.test(
  "what cpu cannot answer either is an error of that operation, and no fallback of what comes after it",
  async (t) => {
    const warned = t.capture(console, "warn");
    const device = "with a broken softmax";
    const kernels = { ...gpuKernels, softmax: broken } satisfies typeof gpuKernels;
    const backend = (await openGpu("webasm", { kernels, isAsynchronous: true, name: device }))!;
    registerBackend(device, () => backend);
    const y = neg(exp(softmax(fromArray(Float32Array.of(0, 1), [2], { device }))));
    await t.rejects(y.data(), { message: /^softmax: / });
    t.same([...backend.fallbacks], []);
    t.same(warned(), []);
  },
);

t.test("cells whose condition fails later give their memory back once, and fail with it", async (t) => {
  const handle = Float32Array.of(1);
  const recycled: unknown[] = [];
  const device = { recycle: (each: unknown) => recycled.push(each), read: () => handle } as unknown as CellsDevice;
  const cells = Cells.onDevice(device, 1, Promise.resolve(handle));
  cells.require(Promise.reject(new Error("out of range")));
  await t.rejects(Promise.resolve(cells.values()), { message: "out of range" });
  cells.release();
  await new Promise((resolve) => setTimeout(resolve));
  t.same(recycled, [handle]);
});

t.test("indices that are known later are looked at also where nothing is taken", async (t) => {
  const backend = (await openGpu("webasm", { isAsynchronous: true, name: "nothing" }))!;
  registerBackend("nothing", () => backend);
  const indices = argsort(fromArray(Float32Array.of(3, 1, 2), [3], { device: "nothing" }));
  const nothing = gather(fromArray(new Float32Array(0), [3, 0], { device: "nothing" }), indices);
  const ones = fromArray(Float32Array.of(1, 1, 1), [3, 1], { device: "nothing" });
  t.same(await concat([nothing, ones], 1).data(), [1, 1, 1]);
  t.same([...backend.fallbacks], []);
  const outside = gather(fromArray(new Float32Array(0), [2, 0], { device: "nothing" }), indices);
  await t.rejects(outside.data(), { message: /gather: index 2 is outside \[0, 2\)/ });
});

t.test("of a kernel that cannot be compiled nothing is kept", async (t) => {
  const { launcher } = (await openGpu("webasm"))!;
  const before = kernelsOf(launcher);
  for (let i = 0; i < 3; i++)
    t.throws(() => launcher.launch("odd", "function () { return frobnicate(1.0); }", [], 2), { message: /^odd: / });
  t.equal(kernelsOf(launcher), before);
  t.equal(launcher.size, 0);
});

t.test("a compiled kernel is used again, and only so many are kept", async (t) => {
  const { launcher } = (await openGpu("cpu"))!;
  const source = "function (x) { return x[this.thread.x] * 2.0; }";
  const twice = (n: number) =>
    launcher.launch("twice", source, [onHost(launcher, new Float32Array(n).fill(n))], n).values() as Float32Array;
  const first = twice(3);
  t.same([...twice(3)], [6, 6, 6]);
  t.same([...first], [6, 6, 6], "results are not overwritten");
  t.equal(launcher.size, 1);
  for (let n = 1; n < 450; n++) twice(n);
  t.equal(launcher.size, 400);
  t.same([...twice(3)], [6, 6, 6], "compiled again");
});

t.test("a kernel that still computes is forgotten, not stopped", async (t) => {
  const { launcher } = (await openGpu("webasm", { isAsynchronous: true }))!;
  const source = "function (x) { return x[this.thread.x] + 1.0; }";
  const before = kernelsOf(launcher);
  const lengths = Array.from({ length: 410 }, (_, i) => Math.max(1, i));
  const all = await Promise.all(
    lengths.map((n) => launcher.launch("next", source, [onHost(launcher, new Float32Array(n))], n).values()),
  );
  t.ok(all.every((cells, i) => cells.length === lengths[i] && cells.every((cell) => cell === 1)));
  t.equal(launcher.size, 400);
  t.equal(kernelsOf(launcher), before + 400, "none comes back");
});
