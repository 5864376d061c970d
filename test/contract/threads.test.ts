import t from "tap";
import { getBackend } from "../../src/tensor/backend.ts";
import type { WasmDevice } from "../../src/tensor/backends/wasm/device.ts";
import { getThreads, setThreads, tilesByWorkers, wasmMemory } from "../../src/tensor/backends/wasm/index.ts";
import "../../src/tensor/devices.ts";
import { ConfigError, DeviceError } from "../../src/tensor/errors.ts";
import type { KernelName } from "../../src/tensor/kernels.ts";
import { Rng } from "../../src/tensor/rng.ts";
import { sizeOf } from "../../src/tensor/shape.ts";
import { type Case, runOn, type Sample } from "./harness.ts";

function wave(shape: readonly number[], frequency = 0.7): Sample {
  const values = Array.from({ length: sizeOf(shape) }, (_, i) => Math.sin(frequency * i) + 0.001 * (i % 13));
  return { shape, dtype: "float32", values };
}

function whole(shape: readonly number[], count: number): Sample {
  return { shape, dtype: "int32", values: Array.from({ length: sizeOf(shape) }, (_, i) => (i * 7919) % count) };
}

function call<K extends KernelName>(
  kernel: K,
  inputs: readonly Sample[],
  shape: readonly number[],
  attributes: Case<K>["attributes"],
): Case<K> {
  return { kernel, inputs, out: { shape, dtype: "float32" }, attributes };
}

/** Each large enough that two threads have work. */
const x = wave([1920, 64]);
const wide = wave([1920, 256], 0.3);
/** As many samples as two threads take whole, and three by heads. */
const qkv = wave([10, 30, 192]);
const cases = [
  call("matmul", [x, wave([64, 256])], [1920, 256], { transposeA: false, transposeB: false }),
  call("matmul", [wide, x], [256, 64], { transposeA: true, transposeB: false }),
  call("matmul", [wave([64, 40, 50]), wave([64, 50, 40])], [64, 40, 40], { transposeA: false, transposeB: false }),
  call("matmul", [wave([700, 300]), wave([700, 520])], [300, 520], { transposeA: true, transposeB: false }),
  call("linear", [wave([290, 1300]), wave([90, 1300]), wave([90]), wave([290, 90])], [290, 90], {
    hasBias: true,
    hasResidual: true,
  }),
  call("linear", [x, wave([192, 64]), wave([192])], [1920, 192], { hasBias: true, hasResidual: false }),
  call("linearGelu", [x, wave([192, 64]), wave([192])], [1920, 192], { hasBias: true }),
  call("add", [wide, wave([256])], [1920, 256], {}),
  call("gelu", [wide], [1920, 256], {}),
  call("dropout", [wide], [1920, 256], { probability: 0.1, seed: 5 }),
  call("sum", [wide], [256], { axes: [0] }),
  call("sum", [wide], [], { axes: [0, 1] }),
  call("permute", [wide], [256, 1920], { axes: [1, 0] }),
  call("scatterAdd", [wide, whole([1920], 53)], [53, 256], {}),
  call("softmax", [wide], [1920, 256], {}),
  call("layerNorm", [wide, wave([256]), wave([256])], [1920, 256], { eps: 1e-6 }),
  call("layerNormBackward", [wide, wave([256]), wave([1920, 256], 0.2)], [1920, 256], { eps: 1e-6 }),
  call("matmulMul", [x, wave([64, 256]), wide], [1920, 256], { transposeA: false, transposeB: false }),
  call("linearGeluSlopes", [x, wave([256, 64]), wave([256]), wave([1920, 256])], [1920, 256], {}),
  call("linearGradients", [wide, x, wave([256])], [256, 64], {}),
  call("linearGradients", [x, wide, wave([64, 256]), wave([64])], [64, 256], {}),
  call("layerNormGradients", [wide, wave([256]), wave([1920, 256], 0.2), wave([256]), wave([256])], [1920, 256], {
    eps: 1e-6,
  }),
  ...[30, 7].flatMap((queries) => {
    const [out, attributes] = [[10, queries, 64], { numHeads: 4, hasMask: false, queries }];
    return [
      call("attention", [qkv], out, attributes),
      call("attentionBackward", [qkv, wave(out), wave(out, 0.2)], [10, 30, 192], attributes),
    ];
  }),
  call("crossEntropy", [wide, whole([1920], 256)], [], {}),
  call("ipot", [wave([64, 16, 17]), whole([64, 16], 2), whole([64, 17], 2)], [64, 17, 16], {
    beta: 0.5,
    iterations: 50,
  }),
] as const;

/** Edges of tiles: fewer rows and columns than one, and just more. */
const odd = [1, 3, 7, 9, 13, 17, 33].flatMap((n) => [
  call("matmul", [wave([7, 30]), wave([30, n])], [7, n], { transposeA: false, transposeB: false }),
  call("matmul", [wave([n, 800]), wave([13, n])], [800, 13], { transposeA: true, transposeB: true }),
  call("matmul", [wave([n, 800]), wave([800, 5])], [n, 5], { transposeA: false, transposeB: false }),
  call("linear", [wave([5, 12]), wave([n, 12]), wave([n]), wave([5, n])], [5, n], { hasBias: true, hasResidual: true }),
  call("attention", [wave([2, n, 60])], [2, n, 20], { numHeads: 2, hasMask: false, queries: n }),
  call("attentionBackward", [wave([2, n, 60]), wave([2, n, 20]), wave([2, n, 20], 0.2)], [2, n, 60], {
    numHeads: 2,
    hasMask: false,
    queries: n,
  }),
]);

/** The result, and the operands afterwards: some kernels have results among them. */
function bitsOf(it: Case<KernelName>): Buffer {
  return Buffer.concat(runOn("wasm", it).map(({ buffer }) => Buffer.from(buffer as ArrayBuffer)));
}

t.test("workers are started by the first job that is worth it", async (t) => {
  const { threads } = (getBackend("wasm") as unknown as { device: WasmDevice }).device;
  setThreads(3);
  runOn("wasm", call("add", [wave([64, 64]), wave([64])], [64, 64], {}));
  t.equal(threads.started, 1, "a small job starts none");
  runOn("wasm", cases[0] as Case<KernelName>);
  t.equal(threads.started, 3);
  setThreads(2);
  t.equal(threads.started, 2, "one more than are asked for waits unused");
});

t.test("results have the same bits for any number of threads", async (t) => {
  t.teardown(() => setThreads(2));
  for (const it of cases) {
    setThreads(1);
    const alone = bitsOf(it);
    for (const threads of [2, 3]) {
      setThreads(threads);
      t.equal(getThreads(), threads);
      // Workers come up while this goes on; each round may find another number of them at work.
      for (let round = 0; round < 3; round++) {
        t.ok(alone.equals(bitsOf(it)), `${it.kernel} [${it.inputs[0].shape.join(", ")}] on ${threads} threads`);
      }
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }
});

t.test("results have the same bits in either tile of registers", async (t) => {
  const { device } = getBackend("wasm") as unknown as { device: WasmDevice };
  const columns = device.tileColumns;
  t.teardown(() => {
    device.tileColumns = columns;
  });
  for (const it of [...cases, ...odd]) {
    const [narrow, wide] = ([8, 16] as const).map((columns) => {
      device.tileColumns = columns;
      return bitsOf(it);
    });
    t.ok(narrow!.equals(wide!), `${it.kernel} ${it.out.shape.join(" × ")}`);
  }
});

t.test("workers really take part, and only as many as are asked for", async (t) => {
  const big = call("matmul", [wave([600, 600]), wave([600, 600])], [600, 600], {
    transposeA: false,
    transposeB: false,
  });
  const helped = (threads: number): number => {
    setThreads(threads);
    const before = tilesByWorkers();
    runOn("wasm", big);
    return tilesByWorkers() - before;
  };
  let tiles = 0;
  for (const end = Date.now() + 20_000; tiles === 0 && Date.now() < end; ) {
    tiles = helped(2);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  t.ok(tiles > 0, "a worker computed tiles");
  t.equal(helped(1), 0, "none does when one thread is asked for");
});

/** Products, sums, uploads and releases in a row, read now and then; blocks of few sizes are used again and again. */
function busyProgram(seed: number): Buffer {
  const random = new Rng(seed);
  const backend = getBackend("wasm");
  const seen: Buffer[] = [];
  const sizes = [8, 40, 96, 200];
  let size = 96;
  let x = backend.upload(Float32Array.from(wave([size, size]).values), "float32");
  for (let round = 0; round < 120; round++) {
    const shape = [size, size];
    const fresh = Float32Array.from({ length: size * size }, () => random.uniform() - 0.5);
    const y = backend.upload(fresh, "float32");
    fresh.fill(Number.NaN); // what was uploaded is a copy
    const operands = [x, y].map((storage) => ({ shape, dtype: "float32", storage }) as const);
    const out = { shape, dtype: "float32", storage: backend.allocate("float32", size * size) } as const;
    if (round % 3) backend.run("matmul", operands, out, { transposeA: round % 2 > 0, transposeB: false });
    else backend.run("sub", operands, out, {});
    backend.release(x);
    backend.release(y);
    const bounded = backend.allocate("float32", size * size);
    backend.run("tanh", [out], { shape, dtype: "float32", storage: bounded }, {});
    backend.release(out.storage);
    x = bounded;
    if (round % 7 !== 0) continue;
    seen.push(Buffer.from(backend.readSync(x).buffer));
    size = sizes[round % sizes.length]!;
    backend.release(x);
    x = backend.upload(Float32Array.from(wave([size, size], 0.01 * round).values), "float32");
  }
  backend.release(x);
  return Buffer.concat(seen);
}

t.test("jobs run behind the caller: uploads, releases and reads still see what the program says", async (t) => {
  t.teardown(() => setThreads(2));
  setThreads(1);
  const alone = busyProgram(1);
  const { used } = wasmMemory();
  for (let round = 0; round < 10; round++) {
    setThreads(2 + (round % 2));
    t.ok(busyProgram(1).equals(alone), `round ${round}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  t.equal(wasmMemory().used, used);
});

t.test("short jobs, each with a tile less than the one before: none ends early", async (t) => {
  t.teardown(() => setThreads(2));
  const backend = getBackend("wasm");
  const upload = ({ shape, values }: Sample) =>
    ({ shape, dtype: "float32", storage: backend.upload(Float32Array.from(values), "float32") }) as const;
  const attributes = { numHeads: 1, hasMask: false, queries: 33 };
  const jobs = [8, 7, 6, 5, 4].map((B) => [upload(wave([B, 33, 48])), upload(wave([B, 33, 16]))] as const);
  const program = () => {
    for (let round = 0; round < 200; round++)
      for (const [qkv, out] of jobs) backend.run("attention", [qkv], out, attributes);
    return Buffer.concat(jobs.map(([, { storage }]) => Buffer.from(backend.readSync(storage).buffer)));
  };
  setThreads(1);
  const alone = program();
  setThreads(6); // more than there are cores, so that the system stops one anywhere, between any two instructions
  await new Promise((resolve) => setTimeout(resolve, 200)); // lets the threads start
  let right = 0;
  for (let round = 0; round < 60; round++) if (program().equals(alone)) right++;
  t.equal(right, 60);
  for (const { storage } of jobs.flat()) backend.release(storage);
});

t.test("a thread that died is an error, and one thread goes on", async (t) => {
  const backend = getBackend("wasm");
  const { device } = backend as unknown as { device: WasmDevice };
  const words = new Int32Array(device.memory.buffer);
  const [failed, pending] = [1284 >> 2, 1344 >> 2];
  t.teardown(() => {
    words[failed] = 0;
    setThreads(2);
  });
  setThreads(2);
  const product = cases[0];
  runOn("wasm", product);
  Atomics.add(words, pending, 1); // a job whose last tile nobody finishes
  Atomics.store(words, failed, 1);
  t.throws(() => backend.settle!(), new DeviceError("wasm: a thread died; setThreads(1) computes without it"));
  t.throws(() => runOn("wasm", product), DeviceError);
  setThreads(1);
  t.strictSame(runOn("wasm", product)[0]!.length, 1920 * 256);
});

t.test("memory: freed blocks are used again, and running out says how much there is", async (t) => {
  const backend = getBackend("wasm");
  const before = wasmMemory();
  const storages = Array.from({ length: 50 }, (_, i) => backend.allocate("float32", 1000 * i));
  t.ok(wasmMemory().used > before.used + 4 * 1000 * 1225);
  for (const storage of storages) backend.release(storage);
  t.equal(wasmMemory().used, before.used);
  const { reserved } = wasmMemory();
  for (let i = 0; i < 1000; i++) backend.release(backend.allocate("float32", 100_000));
  t.equal(wasmMemory().reserved, reserved, "nothing grows when every block is given back");
  t.throws(() => backend.allocate("float32", 2 ** 31), DeviceError);
  t.throws(() => backend.allocate("float32", 2 ** 31), { message: /8589934592 more bytes; \d+ bytes are in use/ });
  t.equal(wasmMemory().used, before.used);
});

t.test("large uploads keep every bit, from any place and of any length", async (t) => {
  const backend = getBackend("wasm");
  const bits = Int32Array.from({ length: 9001 }, (_, i) => Math.imul(i, 0x9e3779b1));
  bits.set([0x7fa00001, -0x5ffffe, -(2 ** 31)]); // two signalling NaN and −0
  const floats = new Float32Array(bits.buffer);
  for (const [start, end] of [
    [0, 9000],
    [0, 8999],
    [2, 9000],
    [1, 9001],
  ] as const)
    for (const [values, dtype] of [
      [bits, "int32"],
      [floats, "float32"],
    ] as const) {
      const part = values.subarray(start, end);
      const storage = backend.upload(part, dtype);
      const back = backend.readSync(storage);
      t.strictSame(new Int32Array(back.buffer, back.byteOffset, back.length), bits.subarray(start, end));
      backend.release(storage);
    }
});

t.test("reading gives ordinary memory, not a window on the device", async (t) => {
  const backend = getBackend("wasm");
  const storage = backend.upload(Float32Array.of(1, 2, 3), "float32");
  const values = backend.readSync(storage);
  t.ok(values.buffer instanceof ArrayBuffer);
  t.strictSame([...(await backend.read(storage))], [1, 2, 3]);
  backend.release(storage);
});

t.test("setThreads: a number of threads that cannot be is refused", async (t) => {
  for (const count of [0, -1, 1.5, 129, Number.NaN]) t.throws(() => setThreads(count), ConfigError);
});
