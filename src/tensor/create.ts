import type { NdArray } from "ndarray";
import { checkDType, getBackend } from "./backend.ts";
import { allocateArray, type DType, dtypeOf, type TypedArray, toTypedArray } from "./dtype.ts";
import { DeviceError, formatShape, ShapeError } from "./errors.ts";
import type { Rng } from "./rng.ts";
import { checkShape, type Shape, sizeOf } from "./shape.ts";
import { Tensor } from "./tensor.ts";

/** Where and as what a tensor is made: float32 on the default device when not said. */
export interface Placement {
  readonly dtype?: DType;
  readonly device?: string;
}

export type NestedArray = number | readonly NestedArray[];

function fromTyped(operation: string, values: TypedArray, shape: Shape, device?: string): Tensor {
  const backend = getBackend(device);
  const dtype = dtypeOf(values);
  checkShape(operation, shape);
  checkDType(operation, backend, dtype);
  if (values.length !== sizeOf(shape))
    throw new ShapeError(operation, `${values.length} values do not fill the shape`, { shape });
  return new Tensor(backend, [...shape], backend.upload(values, dtype), operation);
}

/** A tensor of the given flat values in row-major order; typed arrays keep their dtype unless one is named. */
export function fromArray(values: ArrayLike<number>, shape: Shape, { dtype, device }: Placement = {}): Tensor {
  const own = ArrayBuffer.isView(values) ? dtypeOf(values as TypedArray) : "float32";
  const typed =
    dtype === undefined && ArrayBuffer.isView(values) ? (values as TypedArray) : toTypedArray(values, dtype ?? own);
  return fromTyped("fromArray", typed, shape, device);
}

/** A tensor of nested arrays: `tensor([[1, 2], [3, 4]])`, or of a number. @throws {ShapeError} when rows differ in length */
export function tensor(nested: NestedArray, { dtype = "float32", device }: Placement = {}): Tensor {
  const shape: number[] = [];
  for (let level: NestedArray = nested; typeof level !== "number"; level = level[0]!) {
    shape.push(level.length);
    if (level.length === 0) break;
  }
  const flat: number[] = [];
  const walk = (level: NestedArray, depth: number): void => {
    if (typeof level === "number") {
      if (depth !== shape.length) throw new ShapeError("tensor", "rows differ in depth", { shape });
      flat.push(level);
    } else {
      if (level.length !== shape[depth])
        throw new ShapeError(
          "tensor",
          `rows differ in length at depth ${depth}: ${level.length} against ${shape[depth]}`,
        );
      for (const item of level) walk(item, depth + 1);
    }
  };
  walk(nested, 0);
  return fromTyped("tensor", toTypedArray(flat, dtype), shape, device);
}

/** A copy of an `ndarray` of any strides. */
export function fromNdarray(array: NdArray<TypedArray | number[]>, { dtype, device }: Placement = {}): Tensor {
  const shape = array.shape;
  const own = ArrayBuffer.isView(array.data) ? dtypeOf(array.data as TypedArray) : "float32";
  const values = allocateArray(dtype ?? own, sizeOf(shape));
  const index = new Array<number>(shape.length).fill(0);
  for (let i = 0; i < values.length; i++) {
    values[i] = array.get(...index);
    for (let axis = shape.length - 1; axis >= 0 && ++index[axis]! === shape[axis]; axis--) index[axis] = 0;
  }
  return fromTyped("fromNdarray", values, shape, device);
}

function hostArray(operation: string, dtype: DType, shape: Shape): TypedArray {
  try {
    return allocateArray(dtype, sizeOf(shape));
  } catch (cause) {
    const size = formatShape(shape);
    throw new DeviceError(`${operation}: the engine has no memory for ${size} in ${dtype}, as it is made here first`, {
      cause,
    });
  }
}

function filled(
  operation: string,
  shape: Shape,
  { dtype = "float32", device }: Placement,
  value: (i: number) => number,
): Tensor {
  checkShape(operation, shape);
  const values = hostArray(operation, dtype, shape);
  for (let i = 0; i < values.length; i++) values[i] = value(i);
  return fromTyped(operation, values, shape, device);
}

/** A tensor of one value everywhere. @throws {ShapeError} for a negative or fractional length */
export function full(shape: Shape, value: number, placement: Placement = {}): Tensor {
  return filled("full", shape, placement, () => value);
}

/** A tensor of zeros. @throws {ShapeError} for a negative or fractional length */
export function zeros(shape: Shape, placement: Placement = {}): Tensor {
  return filled("zeros", shape, placement, () => 0);
}

/** A tensor of ones. @throws {ShapeError} for a negative or fractional length */
export function ones(shape: Shape, placement: Placement = {}): Tensor {
  return filled("ones", shape, placement, () => 1);
}

/** start, start + step, … below `end` (above it for a negative step). */
export function arange(start: number, end: number, step = 1, placement: Placement = {}): Tensor {
  const count = Math.max(0, Math.ceil((end - start) / step));
  if (!Number.isFinite(count)) throw new ShapeError("arange", `no finite range from ${start} to ${end} by ${step}`);
  return filled("arange", [count], placement, (i) => start + i * step);
}

/** `count` evenly spaced values from `start` to `end`, both included. */
export function linspace(start: number, end: number, count: number, placement: Placement = {}): Tensor {
  return filled("linspace", [count], placement, (i) =>
    count === 1 ? start : start + ((end - start) * i) / (count - 1),
  );
}

/** The identity matrix [n, m], m = n unless given. */
export function eye(n: number, m = n, placement: Placement = {}): Tensor {
  return filled("eye", [n, m], placement, (i) => (Math.floor(i / m) === i % m ? 1 : 0));
}

/** Independent normal draws. */
export function randn(
  shape: Shape,
  rng: Rng,
  { mean = 0, std = 1, ...placement }: Placement & { mean?: number; std?: number } = {},
): Tensor {
  return filled("randn", shape, placement, () => rng.normal(mean, std));
}

/** Independent uniform draws from [low, high). */
export function uniform(
  shape: Shape,
  rng: Rng,
  { low = 0, high = 1, ...placement }: Placement & { low?: number; high?: number } = {},
): Tensor {
  return filled("uniform", shape, placement, () => rng.uniform(low, high));
}
