import { DTypeError } from "./errors.ts";

export type DType = "float32" | "float64" | "int32";
export type TypedArray = Float32Array | Float64Array | Int32Array;

const constructors = { float32: Float32Array, float64: Float64Array, int32: Int32Array } as const;

export const BYTES: Readonly<Record<DType, number>> = { float32: 4, float64: 8, int32: 4 };

/** A zeroed array of `size` elements. */
export function allocateArray(dtype: DType, size: number): TypedArray {
  return new constructors[dtype](size);
}

/** `values` as an array of that dtype; always a copy. */
export function toTypedArray(values: ArrayLike<number>, dtype: DType): TypedArray {
  return constructors[dtype].from(values);
}

export function isFloat(dtype: DType): boolean {
  return dtype !== "int32";
}

export function dtypeOf(array: TypedArray): DType {
  if (array instanceof Float32Array) return "float32";
  if (array instanceof Float64Array) return "float64";
  return "int32";
}

/** The dtype of all operands. @throws {DTypeError} when they differ: nothing is converted in silence */
export function commonDType(operation: string, operands: readonly { dtype: DType }[]): DType {
  const first = operands[0]!.dtype;
  for (const { dtype } of operands)
    if (dtype !== first)
      throw new DTypeError(`${operation}: operands are ${first} and ${dtype}; convert one with cast()`);
  return first;
}
