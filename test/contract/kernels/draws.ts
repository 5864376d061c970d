import fc from "fast-check";
import type { DType } from "../../../src/tensor/dtype.ts";
import type { Attributes, PrimitiveName } from "../../../src/tensor/kernels.ts";
import { broadcastShapes, reducedShape, sizeOf } from "../../../src/tensor/shape.ts";
import { type Case, indices, length, ordinary, type Sample, sample as sampleOf, shape } from "../harness.ts";

/** What calls of kernels are drawn from: ordinary numbers and axes that are not empty. */

type Call<K extends PrimitiveName> = fc.Arbitrary<Case<K>>;
/** Kernels without attributes. */
type Plain = { [K in PrimitiveName]: Attributes<K> extends Record<string, never> ? K : never }[PrimitiveName];

/** GPUs may take denormal numbers for 0. */
const normal = ordinary.map((value) => (Math.abs(value) < 1e-30 ? 0 : value));
export const sample = (of: readonly number[], cell = normal) => sampleOf(of, cell);
export const positive = fc.double({ min: 0.05, max: 3, noNaN: true });
/** Products of many of these stay in range. */
export const nearOne = fc.double({ min: 0.9, max: 1.1, noNaN: true });
export const cells = shape(1, 3, length).filter((of) => sizeOf(of) <= 2000);

/** Several operands of one shape. */
export const samplesOf = (of: readonly number[], count: number) =>
  fc.tuple(...Array.from({ length: count }, () => sample(of)));

/** int32, mostly 1. */
export function mask(of: readonly number[]): fc.Arbitrary<Sample> {
  const size = sizeOf(of);
  return fc
    .array(fc.constantFrom(0, 1, 1, 1), { minLength: size, maxLength: size })
    .map((values) => ({ shape: of, dtype: "int32", values }));
}

export const unary = <K extends Plain>(kernel: K, cell?: fc.Arbitrary<number>): Call<K> =>
  cells.chain((of) => sample(of, cell)).map((x) => broadcast(kernel, [x], "float32"));

/** Of operands that broadcast to a common shape. */
export const binary = <K extends Plain>(kernel: K, cell?: fc.Arbitrary<number>): Call<K> =>
  broadcasting(2)
    .chain(([a, b]) => fc.tuple(sample(a!, cell), sample(b!, cell)))
    .map((inputs) => broadcast(kernel, inputs, "float32"));

export const comparison = <K extends Plain>(kernel: K): Call<K> =>
  broadcasting(2)
    .chain(([a, b]) => fc.tuple(sample(a!), sample(b!)))
    .map((inputs) => broadcast(kernel, inputs, "int32"));

export function broadcast<K extends Plain>(kernel: K, inputs: readonly Sample[], dtype: DType): Case<K> {
  const shapes = inputs.map((x) => x.shape);
  const all = shapes.reduce<readonly number[]>((all, one) => broadcastShapes(kernel, all, one), []);
  return { kernel, inputs, out: { shape: all, dtype }, attributes: {} as Attributes<K> };
}

/** Shapes that broadcast: some axes of each become 1. */
export function broadcasting(count: number): fc.Arbitrary<number[][]> {
  const keeps = fc.array(fc.array(fc.boolean(), { minLength: 3, maxLength: 3 }), {
    minLength: count,
    maxLength: count,
  });
  return fc.tuple(cells, keeps).map(([of, all]) => all.map((keep) => of.map((n, axis) => (keep[axis] ? n : 1))));
}

export const reduction = <K extends "sum" | "max" | "min" | "prod">(kernel: K, cell = normal): Call<K> =>
  cells
    .chain((of) => fc.tuple(sample(of, cell), fc.subarray([...of.keys()], { minLength: 1 })))
    .map(([x, axes]) => ({
      ...{ kernel, inputs: [x], attributes: { axes } as Attributes<K> },
      out: { shape: reducedShape(x.shape, axes, false), dtype: "float32" },
    }));

/** An operand and one of its axes. */
export const alongAxis = cells.chain((of) => fc.tuple(sample(of), fc.nat(of.length - 1)));

/** A window: per axis its length, where it begins and its step, inside an array that just holds it. */
export const windows = fc
  .array(fc.tuple(length, fc.nat(3), fc.constantFrom(1, 2, 3, -1, -2), fc.nat(2)), { minLength: 1, maxLength: 2 })
  .map((axes) => ({
    inner: axes.map(([n]) => n),
    outer: axes.map(([n, before, step, after]) => before + (n - 1) * Math.abs(step) + 1 + after),
    starts: axes.map(([n, before, step]) => (step > 0 ? before : before + (n - 1) * -step)),
    steps: axes.map(([, , step]) => step),
  }));

/** A table, rows to look up, and something of the shape of what is found. */
export const lookups = fc
  .tuple(cells, length)
  .chain(([of, n]) => fc.tuple(sample(of), indices([n], of[0]!), sample([n, ...of.slice(1)])));

/** An axis, an array, positions along that axis, and something of the shape of what is found. */
export const lookupsAlong = fc.tuple(alongAxis, length).chain(([[x, axis], n]) => {
  const of = x.shape.with(axis, n);
  return fc.tuple(fc.constant(axis), fc.constant(x), indices(of, x.shape[axis]!), sample(of));
});
