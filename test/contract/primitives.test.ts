import fc from "fast-check";
import t from "tap";
import { getBackend } from "../../src/tensor/backend.ts";
import type { DType } from "../../src/tensor/dtype.ts";
import type { KernelName, PrimitiveName } from "../../src/tensor/kernels.ts";
import { broadcastShapes, reducedShape } from "../../src/tensor/shape.ts";
import { devices } from "./devices.ts";
import {
  check,
  difference,
  forAll,
  indices,
  length,
  ordinary,
  runOn,
  type Sample,
  sample,
  shape,
  special,
  type Tolerance,
} from "./harness.ts";

/** What a device may differ by from `cpu` in float64: 6e-8 is half a unit in the last place of float32. */
const ROUNDED: Tolerance = { relative: 6e-8, absolute: 1e-45 };
const tolerances: { readonly [K in KernelName]?: Tolerance } = {
  exp: { relative: 2.4e-7, absolute: 1e-44 },
  log: { relative: 2.4e-7, absolute: 2e-8 },
  expm1: { relative: 2.4e-7, absolute: 1e-45 },
  log1p: { relative: 2.4e-7, absolute: 1e-45 },
  tanh: { relative: 2.4e-7, absolute: 1e-45 },
  sigmoid: { relative: 3e-7, absolute: 1e-38 },
  erf: { relative: 2.4e-7, absolute: 1e-45 },
  erfc: { relative: 2.4e-7, absolute: 1e-44 },
  normalCdf: { relative: 2.4e-7, absolute: 1e-44 },
  sin: { relative: 2.4e-7, absolute: 1e-45 },
  cos: { relative: 2.4e-7, absolute: 1e-45 },
  pow: { relative: 2.4e-7, absolute: 1e-45 },
  dropout: { relative: 1.2e-7, absolute: 1e-44 },
  sum: { relative: 1e-6, absolute: 3e-5 },
  cumsum: { relative: 1e-6, absolute: 3e-5 },
  prod: { relative: 2e-6 },
  scatterAdd: { relative: 1e-6, absolute: 1e-6 },
  putAlongAxis: { relative: 1e-6, absolute: 1e-6 },
  matmul: { relative: 1e-5, absolute: 1e-4 },
};
const toleranceOf = (kernel: KernelName): Tolerance => tolerances[kernel] ?? ROUNDED;

/** Two or three shapes that broadcast: some axes of each become 1, some leading ones vanish. */
function broadcasting(count: number): fc.Arbitrary<number[][]> {
  const keep = fc.constantFrom("keep", "keep", "one", "one", "drop");
  return shape(0, 4).chain((full) =>
    fc.tuple(...Array.from({ length: count }, () => fc.array(keep, { minLength: 4, maxLength: 4 }))).map((plans) =>
      plans.map((plan) => {
        const dropped = plan.findIndex((what) => what !== "drop");
        return full.flatMap((n, axis) => (axis < dropped ? [] : [plan[axis] === "one" ? 1 : n]));
      }),
    ),
  );
}
const broadcastAll = (shapes: readonly (readonly number[])[]) =>
  shapes.reduce<number[]>((all, one) => broadcastShapes("test", all, one), []);

for (const device of devices) {
  t.test(`${device}: functions of one operand`, async () => {
    const names = [
      ...["neg", "abs", "sign", "exp", "expm1", "log", "log1p", "sqrt", "tanh", "sigmoid"],
      ...["erf", "erfc", "normalCdf", "sin", "cos"],
    ] as const satisfies readonly PrimitiveName[];
    for (const kernel of names)
      forAll(
        shape().chain((of) => sample(of, special)),
        (x) => check(device, { kernel, inputs: [x], out: x, attributes: {} }, toleranceOf(kernel)),
      );
    for (const kernel of ["neg", "abs", "sign"] as const)
      forAll(
        shape().chain((of) => sample(of, ordinary, "int32")),
        (x) => check(device, { kernel, inputs: [x], out: x, attributes: {} }, {}),
      );
  });

  t.test(`${device}: functions of two operands that broadcast`, async () => {
    const arithmetic = ["add", "sub", "mul", "div", "maximum", "minimum"] as const;
    const comparisons = ["equal", "less", "lessEqual"] as const;
    const pair = (dtype: DType) =>
      broadcasting(2).chain(([a, b]) => fc.tuple(sample(a!, special, dtype), sample(b!, special, dtype)));
    for (const dtype of ["float32", "int32"] as const) {
      for (const kernel of [...arithmetic, ...comparisons]) {
        if (dtype === "int32" && kernel === "div") continue; // there is no division of integers
        forAll(pair(dtype), (inputs) => {
          const isComparison = comparisons.some((name) => name === kernel);
          const out = {
            shape: broadcastAll(inputs.map((x) => x.shape)),
            dtype: isComparison ? "int32" : dtype,
          } as const;
          check(device, { kernel, inputs, out, attributes: {} }, { ...toleranceOf(kernel), absolute: 1e-44 });
        });
      }
    }
    forAll(
      broadcasting(2).chain(([a, b]) => fc.tuple(sample(a!), sample(b!))),
      (inputs) =>
        check(
          device,
          {
            kernel: "pow",
            inputs,
            out: { shape: broadcastAll(inputs.map((x) => x.shape)), dtype: "float32" },
            attributes: {},
          },
          toleranceOf("pow"),
        ),
    );
    forAll(
      shape().chain((of) => sample(of)),
      (x) => check(device, { kernel: "mul", inputs: [x, x], out: x, attributes: {} }, ROUNDED),
    );
  });

  t.test(`${device}: where, cast, broadcastTo and dropout`, async () => {
    forAll(
      broadcasting(3).chain(([c, a, b]) =>
        fc.tuple(sample(c!, ordinary, "int32"), sample(a!, special), sample(b!, special)),
      ),
      (inputs) =>
        check(
          device,
          {
            kernel: "where",
            inputs,
            out: { shape: broadcastAll(inputs.map((x) => x.shape)), dtype: "float32" },
            attributes: {},
          },
          {},
        ),
    );
    for (const [from, to] of [
      ["float32", "int32"],
      ["int32", "float32"],
    ] as const)
      forAll(
        shape().chain((of) => sample(of, special, from)),
        (x) => check(device, { kernel: "cast", inputs: [x], out: { shape: x.shape, dtype: to }, attributes: {} }, {}),
      );
    forAll(
      broadcasting(2).chain(([a, b]) => fc.tuple(sample(a!, special), fc.constant(b!))),
      ([x, other]) =>
        check(
          device,
          {
            kernel: "broadcastTo",
            inputs: [x],
            out: { shape: broadcastAll([x.shape, other]), dtype: "float32" },
            attributes: {},
          },
          {},
        ),
    );
    forAll(
      fc.tuple(
        shape().chain((of) => sample(of)),
        fc.integer(),
      ),
      ([x, seed]) =>
        check(
          device,
          { kernel: "dropout", inputs: [x], out: x, attributes: { probability: 0.3, seed } },
          toleranceOf("dropout"),
        ),
    );
  });

  t.test(`${device}: reductions over any axes`, async () => {
    const drawn = (least: number, cell = ordinary, axis?: fc.Arbitrary<number>) =>
      shape(least, 4, axis).chain((of) => fc.tuple(sample(of, cell), fc.subarray(of.map((_, axis) => axis))));
    const reduce = (kernel: "sum" | "max" | "min" | "prod", [x, axes]: [Sample, number[]], tolerance: Tolerance) =>
      check(
        device,
        {
          kernel,
          inputs: [x],
          out: { shape: reducedShape(x.shape, axes, false), dtype: "float32" },
          attributes: { axes },
        },
        tolerance,
      );
    forAll(drawn(0), (it) => reduce("sum", it, toleranceOf("sum")));
    for (const kernel of ["max", "min"] as const) forAll(drawn(0, special), (it) => reduce(kernel, it, {}));
    forAll(drawn(0, fc.constantFrom(1, -1, 0.5, 2), fc.constantFrom(1, 2, 3)), (it) =>
      reduce("prod", it, toleranceOf("prod")),
    );
    forAll(
      shape(1, 4, length).chain((of) => fc.tuple(sample(of, special), fc.nat(of.length - 1))),
      ([x, axis]) =>
        check(
          device,
          {
            kernel: "argmax",
            inputs: [x],
            out: { shape: reducedShape(x.shape, [axis], false), dtype: "int32" },
            attributes: { axis },
          },
          {},
        ),
    );
    // Several tiles, and what is reduced in parts of which the last is shorter.
    for (const of of [[70_001], [1920, 67], [3, 1031, 9], [5, 20_001], [1, 1031, 67], [1, 9000, 3]])
      forAll(
        sample(of),
        (x) => {
          const axes = [of.length === 3 ? 1 : of.length - 1];
          reduce("sum", [x, axes], { relative: 1e-5, absolute: 1e-3 });
          reduce("max", [x, axes], {});
        },
        2,
      );
  });

  t.test(`${device}: sums so far and orders along an axis`, async () => {
    const drawn = (cell = ordinary, dtype: DType = "float32") =>
      shape(1, 4).chain((of) => fc.tuple(sample(of, cell, dtype), fc.nat(of.length - 1)));
    forAll(drawn(), ([x, axis]) =>
      check(device, { kernel: "cumsum", inputs: [x], out: x, attributes: { axis } }, toleranceOf("cumsum")),
    );
    forAll(drawn(ordinary, "int32"), ([x, axis]) =>
      check(device, { kernel: "cumsum", inputs: [x], out: x, attributes: { axis } }, {}),
    );
    for (const dtype of ["float32", "int32"] as const)
      forAll(fc.tuple(drawn(special, dtype), fc.boolean()), ([[x, axis], descending]) => {
        const out = { shape: x.shape, dtype: "int32" } as const; // samples repeat: ties abound
        check(device, { kernel: "argsort", inputs: [x], out, attributes: { axis, descending } }, {});
      });
  });

  t.test(`${device}: layout`, async () => {
    const permutation = (rank: number) =>
      fc.shuffledSubarray(
        Array.from({ length: rank }, (_, axis) => axis),
        { minLength: rank, maxLength: rank },
      );
    forAll(
      shape().chain((of) => fc.tuple(sample(of, special), permutation(of.length))),
      ([x, axes]) =>
        check(
          device,
          {
            kernel: "permute",
            inputs: [x],
            out: { shape: axes.map((axis) => x.shape[axis]!), dtype: "float32" },
            attributes: { axes },
          },
          {},
        ),
    );
    // A window: per axis its length, where it begins and its step, inside an array that just holds it.
    const window = fc
      .array(fc.tuple(length, fc.nat(3), fc.constantFrom(1, 1, 2, 3, -1, -2), fc.nat(2)), { maxLength: 3 })
      .map((axes) => ({
        inner: axes.map(([n]) => n),
        outer: axes.map(([n, before, step, after]) => before + (n - 1) * Math.abs(step) + 1 + after),
        starts: axes.map(([n, before, step]) => (step > 0 ? before : before + (n - 1) * -step)),
        steps: axes.map(([, , step]) => step),
      }));
    forAll(
      window.chain((w) => fc.tuple(fc.constant(w), sample(w.outer, special))),
      ([{ inner, starts, steps }, x]) =>
        check(
          device,
          { kernel: "slice", inputs: [x], out: { shape: inner, dtype: "float32" }, attributes: { starts, steps } },
          {},
        ),
    );
    forAll(
      window.chain((w) => fc.tuple(fc.constant(w), sample(w.inner, special))),
      ([{ outer, starts, steps }, x]) =>
        check(
          device,
          {
            kernel: "pad",
            inputs: [x],
            out: { shape: outer, dtype: "float32" },
            attributes: { starts, steps, value: -0.5 },
          },
          {},
        ),
    );
    const parts = shape(1, 4, length).chain((of) =>
      fc
        .nat(of.length - 1)
        .chain((axis) =>
          fc
            .array(length, { minLength: 1, maxLength: 9 })
            .chain((lengths) => fc.tuple(fc.constant(axis), ...lengths.map((n) => sample(of.with(axis, n), special)))),
        ),
    );
    forAll(parts, ([axis, ...inputs]) => {
      const total = inputs.reduce((sum, x) => sum + x.shape[axis]!, 0);
      const out = { shape: [...inputs[0]!.shape].with(axis, total), dtype: "float32" } as const;
      check(device, { kernel: "concat", inputs, out, attributes: { axis } }, {});
    });
  });

  t.test(`${device}: indexing`, async (t) => {
    const table = shape(1, 3, length);
    const lookups = fc
      .tuple(table, shape(0, 2))
      .chain(([of, which]) =>
        fc.tuple(sample(of, special), indices(which, of[0]!), sample([...which, ...of.slice(1)])),
      );
    forAll(lookups, ([x, which, updates]) => {
      const gathered = { shape: updates.shape, dtype: "float32" } as const;
      check(device, { kernel: "gather", inputs: [x, which], out: gathered, attributes: {} }, {});
      check(
        device,
        { kernel: "scatterAdd", inputs: [updates, which], out: x, attributes: {} },
        toleranceOf("scatterAdd"),
      );
    });
    const along = fc
      .tuple(table, length)
      .chain(([of, n]) =>
        fc
          .nat(of.length - 1)
          .chain((axis) =>
            fc.tuple(
              fc.constant(axis),
              sample(of, special),
              indices(of.with(axis, n), of[axis]!),
              sample(of.with(axis, n)),
            ),
          ),
      );
    forAll(along, ([axis, x, which, updates]) => {
      check(device, { kernel: "takeAlongAxis", inputs: [x, which], out: updates, attributes: { axis } }, {});
      check(
        device,
        { kernel: "putAlongAxis", inputs: [updates, which], out: x, attributes: { axis } },
        toleranceOf("putAlongAxis"),
      );
    });
    const far: Sample = { shape: [1], dtype: "int32", values: [3] };
    const rows: Sample = { shape: [3, 2], dtype: "float32", values: [1, 2, 3, 4, 5, 6] };
    t.throws(
      () =>
        runOn(device, {
          kernel: "gather",
          inputs: [rows, far],
          out: { shape: [1, 2], dtype: "float32" },
          attributes: {},
        }),
      { message: /index 3 is outside \[0, 3\)/ },
    );
  });

  t.test(`${device}: matmul in all four transpositions`, async () => {
    const matrices = fc
      .tuple(broadcasting(2), length, length, fc.constantFrom(0, 1, 2, 5, 16, 64, 131), fc.boolean(), fc.boolean())
      .filter(([[a, b]]) => [...a!, ...b!].reduce((size, n) => size * Math.max(n, 1), 1) < 300)
      .chain(([[batchA, batchB], m, n, k, transposeA, transposeB]) =>
        fc.tuple(
          sample([...batchA!, ...(transposeA ? [k, m] : [m, k])]),
          sample([...batchB!, ...(transposeB ? [n, k] : [k, n])]),
          fc.constant({ shape: [...broadcastAll([batchA!, batchB!]), m, n], dtype: "float32" as const }),
          fc.constant({ transposeA, transposeB }),
        ),
      );
    const multiply = ([a, b, out, attributes]: [
      Sample,
      Sample,
      { shape: readonly number[]; dtype: DType },
      { transposeA: boolean; transposeB: boolean },
    ]) => check(device, { kernel: "matmul", inputs: [a, b], out, attributes }, toleranceOf("matmul"));
    forAll(matrices, multiply, 150);
    // Several blocks of the inner dimension, several tiles, parts that are added, and a NaN that must not spread.
    for (const [m, n, k] of [
      [67, 70, 1003],
      [5, 300, 601],
      [61, 9, 2000],
      [130, 530, 40],
    ] as const)
      for (const transposeA of [false, true])
        for (const transposeB of [false, true])
          forAll(
            fc.tuple(sample(transposeA ? [k, m] : [m, k]), sample(transposeB ? [n, k] : [k, n])),
            ([a, b]) => multiply([a, b, { shape: [m, n], dtype: "float32" }, { transposeA, transposeB }]),
            1,
          );
    const nan: Sample = { shape: [2, 2], dtype: "float32", values: [Number.NaN, 1, 2, 3] };
    const plain: Sample = { shape: [2, 2], dtype: "float32", values: [1, 2, 3, 4] };
    multiply([nan, plain, { shape: [2, 2], dtype: "float32" }, { transposeA: false, transposeB: false }]);
  });

  t.test(`${device}: optimiser steps in place`, async () => {
    const four = shape(1, 2, length).chain((of) =>
      fc.tuple(sample(of), sample(of), sample(of), sample(of, fc.double({ min: 0, max: 2, noNaN: true }))),
    );
    const compare = (call: Parameters<typeof runOn>[1]) => {
      const actual = runOn(device, call);
      const expected = runOn("cpu", call, true);
      for (let i = 1; i < actual.length; i++) {
        const found = difference(actual[i]!, expected[i]!, { relative: 1e-6, absolute: 1e-6 });
        if (found !== null) throw new Error(`${call.kernel}: operand ${i}: ${found}`);
      }
    };
    const none = { shape: [0], dtype: "float32" } as const;
    const common = { learningRate: 0.01, weightDecay: 0.1 };
    const scale: Sample = { shape: [], dtype: "float32", values: [0.5] };
    // Several parameters at once: what is drawn, one without cells, and one of more than one tile.
    const long = [1, 2, 3, 4].map((n) => ({
      ...{ shape: [5000], dtype: "float32" as const },
      values: Array.from({ length: 5000 }, (_, i) => ((i * n) % 17) / 17 + 0.1),
    }));
    const empty = long.map((sample) => ({ ...sample, shape: [0], values: [] }));
    forAll(four, (inputs) =>
      compare({
        kernel: "adamw",
        inputs: [...inputs, ...empty, ...long, scale],
        out: none,
        attributes: {
          ...{ beta1: 0.9, beta2: 0.98, eps: 1e-8, stepSize: 0.01 },
          ...{ gradientDecay: 0.3, decayBefore: 0.02, decayAfter: 0.01 },
        },
      }),
    );
    forAll(fc.tuple(four, fc.boolean()), ([inputs, nesterov]) =>
      compare({
        kernel: "sgd",
        inputs: [...inputs.slice(0, 3), ...long.slice(0, 3), ...empty.slice(0, 3), scale],
        out: none,
        attributes: { ...common, momentum: 0.9, nesterov },
      }),
    );
  });

  t.test(`${device}: what falls back to cpu is counted`, async (t) => {
    const { fallbacks } = getBackend(device);
    const before = fallbacks.get("pow") ?? 0;
    const x: Sample = { shape: [2], dtype: "float32", values: [2, 3] };
    check(device, { kernel: "pow", inputs: [x, x], out: x, attributes: {} }, toleranceOf("pow"));
    t.equal(fallbacks.get("pow") ?? 0, before + (getBackend(device).has("pow") ? 0 : 1));
  });
}
