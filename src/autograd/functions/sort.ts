import { ShapeError } from "../../tensor/errors.ts";
import { normalizeAxis } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { takeAlongAxis } from "../ops/indexing.ts";
import { slice } from "../ops/layout.ts";
import { argsort, type SortOptions } from "../ops/sort.ts";

/** Values in order, and where each stood: values = takeAlongAxis(x, indices, axis). */
export interface Sorted {
  readonly values: Tensor;
  /** int32 */
  readonly indices: Tensor;
}

/**
 * The values of an axis in order, ascending unless told. Equal values keep their order; NaN counts as the largest.
 * The derivative of the values puts each gradient back where its value stood; the indices have none.
 *
 * @returns values and indices of x's shape
 * @throws {ShapeError} when there is no such axis
 */
export function sort(x: Tensor, axis = -1, options?: SortOptions): Sorted {
  const at = normalizeAxis("sort", axis, x.rank);
  const indices = argsort(x, at, options);
  return { values: takeAlongAxis(x, indices, at), indices };
}

export interface TopKOptions {
  readonly axis?: number;
  /** Take the largest, largest first; else the smallest, smallest first. */
  readonly largest?: boolean;
}

/**
 * The k largest or smallest values of an axis in order, with their positions; of equal values the first come first.
 * NaN counts as the largest, as in PyTorch.
 *
 * @returns values and indices of x's shape but for the length k of the axis
 * @throws {ShapeError} when k is not a whole number from 0 to the length of the axis
 */
export function topK(x: Tensor, k: number, { axis = -1, largest = true }: TopKOptions = {}): Sorted {
  const at = normalizeAxis("topK", axis, x.rank);
  if (!Number.isInteger(k) || k < 0 || k > x.shape[at])
    throw new ShapeError("topK", `k = ${k} does not fit axis ${axis} of length ${x.shape[at]}`, x);
  const indices = slice(argsort(x, at, { descending: largest }), at, 0, k);
  return { values: takeAlongAxis(x, indices, at), indices };
}
