import { readFileSync } from "node:fs";
import ndarray from "ndarray";
import t from "tap";
import { cpuKernels, createCpuBackend } from "../../src/tensor/backends/cpu/index.ts";
import { allocateArray, type DType, toTypedArray } from "../../src/tensor/dtype.ts";
import { DeviceError, ShapeError } from "../../src/tensor/errors.ts";
import type { AdamwAttributes, Attributes, PrimitiveName, SgdAttributes } from "../../src/tensor/kernels.ts";
import { Rng } from "../../src/tensor/rng.ts";
import { type Shape, sizeOf } from "../../src/tensor/shape.ts";

/** An operand as values, shape (a vector unless given) and dtype (float64 unless given). */
type Input = readonly [values: readonly number[], shape?: Shape, dtype?: DType];

function view([values, shape = [values.length], dtype = "float64"]: Input) {
  return ndarray(toTypedArray(values, dtype), [...shape]);
}

/** Runs a kernel into memory full of a value that no test expects. */
function run<K extends PrimitiveName>(
  kernel: K,
  inputs: readonly Input[],
  attributes: Attributes<K>,
  shape: Shape = inputs[0]![1] ?? [inputs[0]![0].length],
  dtype: DType = "float64",
): number[] {
  const out = ndarray(allocateArray(dtype, sizeOf(shape)).fill(-77), [...shape]);
  cpuKernels[kernel](inputs.map(view), out, attributes);
  return Array.from(out.data);
}

const inf = Infinity;
const nan = Number.NaN;
const range = (n: number, from = 1): number[] => Array.from({ length: n }, (_, i) => i + from);

t.test("element-wise: values, NaN, infinities and signed zeros", async (t) => {
  t.strictSame(run("add", [[[1, inf, inf]], [[2, 1, -inf]]], {}), [3, inf, nan]);
  t.strictSame(run("sub", [[[1, inf]], [[2, inf]]], {}), [-1, nan]);
  t.strictSame(run("mul", [[[3, 0]], [[-2, inf]]], {}), [-6, nan]);
  t.strictSame(run("div", [[[1, -1, 0]], [[0, 0, 0]]], {}), [inf, -inf, nan]);
  t.strictSame(run("pow", [[[2, 4, -8, 0]], [[-1, 0.5, 1 / 3, 0]]], {}), [0.5, 2, nan, 1]);
  t.strictSame(run("maximum", [[[1, nan, 2, -inf]], [[2, 5, nan, -inf]]], {}), [2, nan, nan, -inf]);
  t.strictSame(run("minimum", [[[1, nan, 2, -inf]], [[2, 5, nan, 0]]], {}), [1, nan, nan, -inf]);
  t.strictSame(run("neg", [[[1, -0, nan]]], {}), [-1, 0, nan]);
  t.strictSame(run("abs", [[[-3, -0, -inf]]], {}), [3, 0, inf]);
  t.strictSame(run("sign", [[[-3, 0, 7, nan]]], {}), [-1, 0, 1, nan]);
  t.strictSame(run("exp", [[[0, -inf, 1000, nan]]], {}), [1, 0, inf, nan]);
  t.strictSame(run("log", [[[1, 0, -1, inf]]], {}), [0, -inf, nan, inf]);
  t.strictSame(run("sqrt", [[[4, -1, inf]]], {}), [2, nan, inf]);
  t.strictSame(run("tanh", [[[0, inf, -inf, 40, nan]]], {}), [0, 1, -1, 1, nan]);
  t.strictSame(run("sigmoid", [[[0, inf, -inf, nan]]], {}), [0.5, 1, 0, nan]);
  t.strictSame(run("erf", [[[0, inf, -inf, 6, nan]]], {}), [0, 1, -1, 1, nan]);
  t.ok(Object.is(run("erf", [[[-0]]], {})[0], -0), "erf(−0) is −0");
  t.ok(Object.is(run("tanh", [[[-0]]], {})[0], -0), "tanh(−0) is −0");
  t.ok(run("sigmoid", [[[-740]]], {})[0]! > 0, "sigmoid keeps what e⁷⁴⁰ would overflow");
  t.strictSame(run("sin", [[[0, inf]]], {}), [0, nan]);
  t.strictSame(run("cos", [[[0, inf]]], {}), [1, nan]);
});

t.test("comparisons give int32, and false for NaN; where chooses by not being 0", async (t) => {
  const pair: Input[] = [[[1, 2, 3, nan, nan, inf]], [[2, 2, 2, nan, 1, inf]]];
  t.strictSame(run("equal", pair, {}, [6], "int32"), [0, 1, 0, 0, 0, 1]);
  t.strictSame(run("less", pair, {}, [6], "int32"), [1, 0, 0, 0, 0, 0]);
  t.strictSame(run("lessEqual", pair, {}, [6], "int32"), [1, 1, 0, 0, 0, 1]);
  const condition: Input = [[1, 0, -2], [3, 1], "int32"];
  t.strictSame(run("where", [condition, [[1, 2]], [[nan], []]], {}, [3, 2]), [1, 2, nan, nan, 1, 2]);
});

t.test("operands broadcast in any position; one array may be both operands", async (t) => {
  const [column, row]: Input[] = [
    [
      [10, 20],
      [2, 1],
    ],
    [[1, 2, 3], [3]],
  ];
  t.strictSame(run("add", [column!, row!], {}, [2, 3]), [11, 12, 13, 21, 22, 23]);
  t.strictSame(run("sub", [row!, column!], {}, [2, 3]), [-9, -8, -7, -19, -18, -17]);
  t.strictSame(
    run(
      "mul",
      [
        [range(4), [2, 1, 2]],
        [
          [1, 10, 100],
          [3, 1],
        ],
      ],
      {},
      [2, 3, 2],
    ),
    [1, 2, 10, 20, 100, 200, 3, 4, 30, 40, 300, 400],
  );
  t.strictSame(
    run(
      "add",
      [
        [[5], []],
        [[7], [1, 1]],
      ],
      {},
      [1, 1],
    ),
    [12],
  );
  t.strictSame(run("add", [[[], [0, 3]], row!], {}, [0, 3]), [], "empty");
  const x = view([[1, 2, 3]]);
  const out = view([[0, 0, 0]]);
  cpuKernels.mul([x, x], out, {});
  t.strictSame([...out.data], [1, 4, 9]);
});

t.test("views with strides and an offset are read and written where they lie, and nowhere else", async (t) => {
  const memory = ndarray(Float64Array.from(range(12, 0)), [3, 4]);
  const out = ndarray(new Float64Array(8).fill(9), [2, 2], [4, 2], 1);
  cpuKernels.neg([memory.lo(1, 1).hi(2, 2)], out, {});
  t.strictSame([...out.data], [9, -5, 9, -6, 9, -9, 9, -10]);
});

t.test("float32 is computed in double and rounded once; int32 wraps", async (t) => {
  const third = Math.fround(1 / 3);
  t.strictSame(run("exp", [[[third], [1], "float32"]], {}, [1], "float32"), [Math.fround(Math.exp(third))]);
  const many: Input = [new Array<number>(1000).fill(third), [1000], "float32"];
  t.strictSame(run("sum", [many], { axes: [0] }, [], "float32"), [Math.fround(1000 * third)]);
  const large = 0x7fffffff;
  const ints: Input[] = [
    [[large, large], [2], "int32"],
    [[large, 1], [2], "int32"],
  ];
  t.strictSame(run("mul", ints, {}, [2], "int32"), [1, large]);
  t.strictSame(run("prod", [[[large, large, 3], [3], "int32"]], { axes: [0] }, [], "int32"), [3]);
  t.strictSame(run("cast", [[[1.9, -1.9, nan, inf, 3]]], {}, [5], "int32"), [1, -1, 0, 0, 3]);
  t.strictSame(run("cast", [[[0.1]]], {}, [1], "float32"), [Math.fround(0.1)]);
});

t.test("dropout: the published generator, scaled, and a function of seed and cell alone", async (t) => {
  // Recomputed with whole numbers of any size (Python) from the formula in the docstring.
  const half = [0, 0, 1, 0, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 1, 0, 1, 0, 0, 0];
  const quarter = [0, 0, 0, 0, 1, 0, 0, 1, 0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0];
  const ones: Input = [new Array<number>(24).fill(1), [24]];
  t.strictSame(
    run("dropout", [ones], { probability: 0.5, seed: 42 }),
    half.map((kept) => 2 * kept),
  );
  t.strictSame(
    run("dropout", [[ones[0], [2, 3, 4]]], { probability: 0.75, seed: 4294967295 }),
    quarter.map((kept) => 4 * kept),
  );
  const many: Input = [new Array<number>(20000).fill(1)];
  const kept = run("dropout", [many], { probability: 0.3, seed: 7 }).filter((x) => x !== 0).length;
  t.ok(Math.abs(kept / 20000 - 0.7) < 4 * Math.sqrt(0.21 / 20000), `kept ${kept} of 20000, within 4σ of 0.7`);
  t.strictSame(run("dropout", [[[1, nan]]], { probability: 1, seed: 1 }), [0, 0]);
  t.strictSame(run("dropout", [[[1, nan]]], { probability: 0, seed: 1 }), [1, nan]);
});

t.test("reductions: axes, kept axes, empty axes, NaN and ties", async (t) => {
  const x: Input = [range(12), [2, 3, 2]];
  t.strictSame(run("sum", [x], { axes: [1] }, [2, 2]), [9, 12, 27, 30]);
  t.strictSame(run("sum", [x], { axes: [0, 2] }, [1, 3, 1]), [18, 26, 34]);
  t.strictSame(run("sum", [x], { axes: [0, 1, 2] }, []), [78]);
  t.strictSame(run("sum", [x], { axes: [] }, [2, 3, 2]), range(12));
  t.strictSame(run("prod", [x], { axes: [1] }, [2, 2]), [15, 48, 693, 960]);
  t.strictSame(run("max", [x], { axes: [0] }, [3, 2]), range(6, 7));
  t.strictSame(run("min", [x], { axes: [1, 2] }, [2]), [1, 7]);
  t.strictSame(run("sum", [[[], [2, 0]]], { axes: [1] }, [2]), [0, 0]);
  t.strictSame(run("prod", [[[], [2, 0]]], { axes: [1] }, [2]), [1, 1]);
  t.strictSame(
    run(
      "max",
      [
        [
          [1, nan, 3, -inf, -inf, -inf],
          [2, 3],
        ],
      ],
      { axes: [1] },
      [2],
    ),
    [nan, -inf],
  );
  t.strictSame(
    run(
      "min",
      [
        [
          [1, nan, 3, inf, inf, inf],
          [2, 3],
        ],
      ],
      { axes: [1] },
      [2],
    ),
    [nan, inf],
  );
  t.strictSame(
    run(
      "argmax",
      [
        [
          [1, 5, 5, 2, 9, nan, nan, 0],
          [2, 4],
        ],
      ],
      { axis: 1 },
      [2],
      "int32",
    ),
    [1, 1],
  );
  t.strictSame(
    run(
      "argmax",
      [
        [
          [1, 5, 5, 2, 5, 9],
          [3, 2],
        ],
      ],
      { axis: 0 },
      [1, 2],
      "int32",
    ),
    [1, 2],
  );
  t.strictSame(run("argmax", [[[-inf, -inf]]], { axis: 0 }, [], "int32"), [0]);
});

t.test("layout: permute, broadcastTo, slice, pad and concat", async (t) => {
  const x: Input = [range(6), [2, 3]];
  t.strictSame(run("permute", [x], { axes: [1, 0] }, [3, 2]), [1, 4, 2, 5, 3, 6]);
  t.strictSame(run("permute", [[range(8), [2, 2, 2]]], { axes: [2, 0, 1] }, [2, 2, 2]), [1, 3, 5, 7, 2, 4, 6, 8]);
  t.strictSame(run("permute", [[[4], []]], { axes: [] }, []), [4]);
  t.strictSame(
    run(
      "broadcastTo",
      [
        [
          [1, 2],
          [2, 1],
        ],
      ],
      {},
      [2, 2, 2],
    ),
    [1, 1, 2, 2, 1, 1, 2, 2],
  );
  t.strictSame(run("slice", [x], { starts: [1, 2], steps: [-1, -2] }, [2, 2]), [6, 4, 3, 1]);
  t.strictSame(run("slice", [x], { starts: [0, 3], steps: [1, 1] }, [2, 0]), []);
  t.strictSame(run("pad", [[[1, 2], [2]]], { starts: [1], steps: [2], value: nan }, [5]), [nan, 1, nan, 2, nan]);
  t.strictSame(
    run(
      "pad",
      [
        [
          [1, 2],
          [1, 2],
        ],
      ],
      { starts: [1, 2], steps: [1, -1], value: 0 },
      [2, 3],
    ),
    [0, 0, 0, 0, 2, 1],
  );
  t.strictSame(run("pad", [[[], [0]]], { starts: [0], steps: [1], value: 3 }, [2]), [3, 3]);
  t.strictSame(
    run(
      "concat",
      [
        x,
        [
          [7, 8],
          [2, 1],
        ],
        [[], [2, 0]],
      ],
      { axis: 1 },
      [2, 4],
    ),
    [1, 2, 3, 7, 4, 5, 6, 8],
  );
  t.strictSame(
    run(
      "concat",
      [
        x,
        [
          [7, 8, 9],
          [1, 3],
        ],
        x,
      ],
      { axis: 0 },
      [5, 3],
    ),
    [...range(9), ...range(6)],
  );
});

t.test("indexing: rows and lines, their transposes, repeated and wrong indices", async (t) => {
  const table: Input = [range(6), [3, 2]];
  const rows = (values: number[], shape?: Shape): Input => [values, shape, "int32"];
  t.strictSame(run("gather", [table, rows([2, 0, 2, 1], [2, 2])], {}, [2, 2, 2]), [5, 6, 1, 2, 5, 6, 3, 4]);
  t.strictSame(run("gather", [table, rows([1], [])], {}, [2]), [3, 4]);
  t.strictSame(run("gather", [[range(3)], rows([2, 2])], {}, [2]), [3, 3]);
  t.strictSame(run("gather", [table, rows([])], {}, [0, 2]), []);
  t.strictSame(run("scatterAdd", [table, rows([2, 0, 2])], {}, [4, 2]), [3, 4, 0, 0, 6, 8, 0, 0]);
  t.strictSame(run("takeAlongAxis", [[range(6), [2, 3]], rows([2, 0], [2, 1])], { axis: 1 }, [2, 1]), [3, 4]);
  t.strictSame(run("takeAlongAxis", [table, rows([2, 1, 0, 2], [2, 2])], { axis: 0 }, [2, 2]), [5, 4, 1, 6]);
  t.strictSame(
    run("putAlongAxis", [table, rows([1, 1, 0, 2, 2, 2], [3, 2])], { axis: 1 }, [3, 3]),
    [0, 3, 0, 3, 0, 4, 0, 0, 11],
  );
  for (const index of [3, -1]) {
    const message = new RegExp(`gather: index ${index} is outside \\[0, 3\\)`);
    t.throws(() => run("gather", [table, rows([0, index])], {}, [2, 2]), { message });
    t.throws(() => run("scatterAdd", [table, rows([0, 1, index])], {}, [3, 2]), ShapeError);
    t.throws(() => run("takeAlongAxis", [table, rows([index, 0], [1, 2])], { axis: 0 }, [1, 2]), ShapeError);
    t.throws(
      () => run("putAlongAxis", [table, rows(new Array(6).fill(index), [3, 2])], { axis: 0 }, [3, 2]),
      ShapeError,
    );
  }
});

t.test("matmul: transposes, broadcast batches, empty sizes, one array twice", async (t) => {
  const plain = { transposeA: false, transposeB: false };
  const a: Input = [range(6), [2, 3]];
  const b: Input = [range(6, 7), [3, 2]];
  t.strictSame(run("matmul", [a, b], plain, [2, 2]), [58, 64, 139, 154]);
  t.strictSame(run("matmul", [a, a], { transposeA: false, transposeB: true }, [2, 2]), [14, 32, 32, 77]);
  t.strictSame(
    run("matmul", [a, a], { transposeA: true, transposeB: false }, [3, 3]),
    [17, 22, 27, 22, 29, 36, 27, 36, 45],
  );
  t.strictSame(run("matmul", [b, a], { transposeA: true, transposeB: true }, [2, 2]), [58, 139, 64, 154]);
  const batched: Input = [range(8), [2, 1, 2, 2]];
  const vectors: Input = [
    [1, 0, 0, 1, 1, 1],
    [3, 2, 1],
  ];
  t.strictSame(run("matmul", [batched, vectors], plain, [2, 3, 2, 1]), [1, 3, 2, 4, 3, 7, 5, 7, 6, 8, 11, 15]);
  t.strictSame(
    run(
      "matmul",
      [
        [[], [2, 0]],
        [[], [0, 2]],
      ],
      plain,
      [2, 2],
    ),
    [0, 0, 0, 0],
    "an empty sum is 0",
  );
  t.strictSame(
    run(
      "matmul",
      [
        [[], [0, 2, 2]],
        [range(4), [2, 2]],
      ],
      plain,
      [0, 2, 2],
    ),
    [],
  );
  t.strictSame(
    run(
      "matmul",
      [
        [
          [0, 1],
          [1, 2],
        ],
        [
          [nan, 1],
          [2, 1],
        ],
      ],
      plain,
      [1, 1],
    ),
    [nan],
    "0 · NaN is NaN",
  );
  const [m, k, n] = [5, 7, 6];
  const rng = new Rng("matmul");
  const left = range(m * k).map(() => rng.int(100));
  const right = range(k * n).map(() => rng.int(100));
  const product = range(m * n, 0).map((cell) =>
    range(k, 0).reduce((sum, p) => sum + left[Math.floor(cell / n) * k + p]! * right[p * n + (cell % n)]!, 0),
  );
  t.strictSame(
    run(
      "matmul",
      [
        [left, [m, k], "float32"],
        [right, [k, n], "float32"],
      ],
      plain,
      [m, n],
      "float32",
    ),
    product,
  );
});

const golden = JSON.parse(readFileSync(new URL("optimizer-steps.json", import.meta.url), "utf8")) as {
  tolerance: number;
  initial: number[];
  grads: number[][];
  trajectories: Record<string, number[][]>;
  m: number[];
  v: number[];
  velocity: number[];
};

function distance(a: ArrayLike<number>, b: readonly number[]): number {
  return Math.max(...b.map((value, i) => Math.abs(value - a[i]!)));
}

t.test("adamw: the recorded steps of the original's optimiser, and their clipped form", async (t) => {
  const settings = { beta1: 0.9, beta2: 0.98, eps: 1e-8 };
  const decay = { gradientDecay: 0, decayBefore: 0, decayAfter: 0.1 * 0.1 };
  const stepSize = (step: number) => (0.1 * Math.sqrt(1 - 0.98 ** step)) / (1 - 0.9 ** step);
  const attributes = (step: number): AdamwAttributes => ({ ...settings, ...decay, stepSize: stepSize(step) });
  const zeros = golden.initial.map(() => 0);
  const [parameter, m, v] = [view([golden.initial]), view([zeros]), view([zeros])];
  for (const [step, grad] of golden.grads.entries()) {
    cpuKernels.adamw([parameter, view([grad]), m, v, view([[1]])], parameter, attributes(step + 1));
    t.ok(distance(parameter.data, golden.trajectories.adamw![step]!) <= golden.tolerance, `step ${step + 1}`);
  }
  t.ok(distance(m.data, golden.m) <= golden.tolerance && distance(v.data, golden.v) <= golden.tolerance, "moments");

  const clipped = [view([golden.initial]), view([golden.grads[0]!.map((g) => 4 * g)]), view([zeros]), view([zeros])];
  cpuKernels.adamw([...clipped, view([[0.25]])], clipped[0]!, attributes(1));
  t.ok(distance(clipped[0]!.data, golden.trajectories.adamw![0]!) <= golden.tolerance, "the gradient is scaled first");
});

t.test("sgd: the recorded steps of torch, plain, with momentum and with Nesterov's", async (t) => {
  const run = (attributes: Partial<SgdAttributes>, name: string, scale = 1) => {
    const [parameter, velocity] = [view([golden.initial]), view([golden.initial.map(() => 0)])];
    const settings = { learningRate: 0.1, momentum: 0.9, nesterov: false, weightDecay: 0.1 };
    for (const [step, grad] of golden.grads.entries()) {
      const inputs = [parameter, view([grad.map((g) => scale * g)]), velocity, view([[1 / scale]])];
      cpuKernels.sgd(inputs, parameter, { ...settings, ...attributes });
      t.ok(
        distance(parameter.data, golden.trajectories[name]![step]!) <= golden.tolerance,
        `${name}, step ${step + 1}`,
      );
    }
    return velocity.data;
  };
  run({ momentum: 0 }, "sgdPlain");
  run({ nesterov: true }, "sgdNesterov");
  t.ok(distance(run({}, "sgdMomentum", 2), golden.velocity) <= golden.tolerance, "velocity");
});

t.test("device: memory in and out is copied, fused kernels are left to their definitions", async (t) => {
  const device = createCpuBackend();
  const values = Float32Array.of(1, 2);
  const storage = device.upload(values, "float32");
  values[0] = 9;
  const read = device.readSync(storage);
  read[1] = 9;
  t.strictSame(await device.read(storage), Float32Array.of(1, 2));
  t.equal(device.upload(values, "float64").dtype, "float64");
  t.ok(device.has("matmul") && device.has("adamw") && !device.has("softmax") && !device.has("gelu"));
  const out = { shape: [2], dtype: "float32", storage: device.allocate("float32", 2) } as const;
  device.run("neg", [{ shape: [2], dtype: "float32", storage }], out, {});
  t.strictSame(device.readSync(out.storage), Float32Array.of(-1, -2));
  t.throws(() => device.run("gelu", [out], out, {}), DeviceError);
  t.throws(() => device.allocate("float64", 2 ** 52), { name: "DeviceError", message: /4503599627370496 float64/ });
  t.equal(device.fallbacks.size, 0);
  device.release(storage);
  t.equal(storage.size, 0, "the memory is let go");
});
