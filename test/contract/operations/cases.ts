import fc from "fast-check";
import { type Shape, sizeOf } from "../../../src/tensor/shape.ts";
import type { Tensor } from "../../../src/tensor/tensor.ts";
import type { Sample, Tolerance } from "../harness.ts";

/** One call of an operation: its tensors, and everything else closed over. */
export interface Call {
  readonly inputs: readonly Sample[];
  readonly run: (...inputs: Tensor[]) => Tensor;
  /** What `run` closes over, for the message of a failure. */
  readonly options?: unknown;
}

/** How one public operation is checked. */
export interface Row {
  readonly calls: fc.Arbitrary<Call>;
  /** What a device in float32 may differ by from `cpu` in float64, in value and gradient. */
  readonly tolerance?: Tolerance;
  /** Why there is no gradient to check, although the inputs and the result are floats. */
  readonly noGradient?: string;
}

export function call(
  operands: fc.Arbitrary<readonly Sample[]>,
  run: (...inputs: Tensor[]) => Tensor,
  options?: unknown,
): fc.Arbitrary<Call> {
  return operands.map((inputs) => ({ inputs, run, options }));
}

/** Every value is a multiple of 1/64 or of `GAP` / 4: the same number in float32 and float64. */
export type Draw = (size: number) => fc.Arbitrary<number[]>;

const within = (low: number, high: number) => fc.integer({ min: low * 64, max: high * 64 }).map((k) => k / 64);
const each =
  (cell: fc.Arbitrary<number>): Draw =>
  (size) =>
    fc.array(cell, { minLength: size, maxLength: size });

/** −2 to 2, with zeros and ties. */
export const any: Draw = each(
  fc.oneof({ weight: 4, arbitrary: within(-2, 2) }, { weight: 1, arbitrary: fc.constantFrom(0, 1, -1) }),
);
/** ½ to 2½. */
export const positive: Draw = each(within(0.5, 2.5));

/** Numbers of `apart` are at least this far from each other, and a quarter of it from its multiples. */
export const GAP = 3 / 16;

/** Different numbers around 0, none of them at it: no kink of an order or a sign lies within a difference quotient. */
export const apart: Draw = (size) => {
  const all = Array.from({ length: size }, (_, k) => (k - (size >> 1) + 0.25) * GAP);
  return fc.shuffledSubarray(all, { minLength: size, maxLength: size });
};

const length = fc.integer({ min: 1, max: 4 });
const lengthOrNone = fc.oneof({ weight: 11, arbitrary: length }, { weight: 1, arbitrary: fc.constant(0) });

/** Small lengths and counts. */
export const upTo = (most: number) => fc.integer({ min: 1, max: most });
export const small = upTo(3);
export const maybe = fc.boolean();

/** Shapes of at most 48 elements; now and then an axis is empty. */
export function shapes(minRank = 0, maxRank = 3, axis = lengthOrNone): fc.Arbitrary<number[]> {
  return fc.array(axis, { minLength: minRank, maxLength: maxRank }).filter((shape) => sizeOf(shape) <= 48);
}

/** The same without empty axes. */
export const full = (minRank = 0, maxRank = 3) => shapes(minRank, maxRank, length);

/** Shapes that broadcast to one: some axes of each are 1, some leading ones are missing. */
export function broadcasting(count: number): fc.Arbitrary<number[][]> {
  const plan = fc.tuple(fc.nat(3), fc.array(fc.boolean(), { minLength: 3, maxLength: 3 }));
  return shapes().chain((to) =>
    fc
      .array(plan, { minLength: count, maxLength: count })
      .map((plans) => plans.map(([missing, ones]) => to.map((n, axis) => (ones[axis] ? 1 : n)).slice(missing % 2))),
  );
}

export function floats(shape: Shape, draw: Draw = any): fc.Arbitrary<Sample> {
  return draw(sizeOf(shape)).map((values) => ({ shape, dtype: "float32", values }));
}

/** Several operands of one draw: with `apart`, no value of one is near a value of another. */
export function together(all: readonly Shape[], draw: Draw): fc.Arbitrary<Sample[]> {
  return draw(all.reduce((total, shape) => total + sizeOf(shape), 0)).map((values) => {
    let start = 0;
    return all.map((shape) => {
      start += sizeOf(shape);
      return { shape, dtype: "float32", values: values.slice(start - sizeOf(shape), start) };
    });
  });
}

/** int32 from `low` to `high`, both included. */
export function ints(shape: Shape, low: number, high: number): fc.Arbitrary<Sample> {
  const size = sizeOf(shape);
  return fc
    .array(fc.integer({ min: low, max: high }), { minLength: size, maxLength: size })
    .map((values) => ({ shape, dtype: "int32", values }));
}

/** One axis, counted from either end. */
export const axisOf = ({ length }: Shape) => fc.integer({ min: -length, max: length - 1 });
/** Nothing, one axis, or several. */
export const axesOf = (shape: Shape): fc.Arbitrary<number | number[] | undefined> =>
  fc.oneof(fc.constant(undefined), ...(shape.length ? [axisOf(shape)] : []), fc.subarray(shape.map((_, axis) => axis)));
/** The axes in any order. */
export const orderOf = ({ length }: Shape) => {
  const axes = Array.from({ length }, (_, axis) => axis);
  return fc.shuffledSubarray(axes, { minLength: length, maxLength: length });
};

/** An operation of one tensor. */
export function unary(f: (x: Tensor) => Tensor, draw: Draw = any, tolerance?: Tolerance): Row {
  return {
    calls: shapes().chain((shape) => call(fc.tuple(floats(shape, draw)), f)),
    tolerance,
  };
}

/** An operation of two tensors that broadcast, or of one and a number on either side. */
export function binary(f: (a: Tensor | number, b: Tensor | number) => Tensor, left: Draw, right = left): Row {
  return {
    calls: fc.oneof(
      { weight: 3, arbitrary: broadcasting(2).chain(([a, b]) => call(operands(a!, b!, left, right), f)) },
      shapes().chain((shape) => call(fc.tuple(floats(shape, left)), (x) => f(x, 0.75), "· 0.75")),
      shapes().chain((shape) => call(fc.tuple(floats(shape, right)), (x) => f(0.75, x), "0.75 ·")),
    ),
  };
}

const operands = (a: Shape, b: Shape, left: Draw, right: Draw): fc.Arbitrary<readonly Sample[]> =>
  left === right ? together([a, b], left) : fc.tuple(floats(a, left), floats(b, right));

/** A reduction with its axes and `keepDims`. */
export function reduction<O extends object = Record<never, never>>(
  f: (x: Tensor, axes: number | number[] | undefined, options: O & { keepDims: boolean }) => Tensor,
  {
    draw = any,
    of = shapes(),
    options = fc.constant({} as O),
    tolerance,
  }: { draw?: Draw; of?: fc.Arbitrary<number[]>; options?: fc.Arbitrary<O>; tolerance?: Tolerance } = {},
): Row {
  const calls = of.chain((shape) =>
    fc.tuple(axesOf(shape), fc.boolean(), options).chain(([axes, keepDims, others]) => {
      const all = { ...others, keepDims };
      return call(fc.tuple(floats(shape, draw)), (x) => f(x, axes, all), { axes, ...all });
    }),
  );
  return { calls, tolerance };
}
