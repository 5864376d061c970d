import { full } from "../../tensor/create.ts";
import type { DType } from "../../tensor/dtype.ts";
import { ShapeError } from "../../tensor/errors.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { putAlongAxis } from "../ops/indexing.ts";
import { expandDims } from "../ops/layout.ts";

/**
 * 1 at the class of each index, 0 elsewhere: out[…, k] = (indices[…] = k). No derivative.
 *
 * @param indices int32 of any shape, each in [0, classes)
 * @returns [...indices.shape, classes], float32 unless a dtype is named
 * @throws {ShapeError} when `classes` is not a whole number, or an index is out of range
 * @throws {DTypeError} when the indices are not int32
 */
export function oneHot(
  indices: Tensor,
  classes: number,
  { dtype = "float32" }: { readonly dtype?: DType } = {},
): Tensor {
  if (!Number.isInteger(classes) || classes < 0)
    throw new ShapeError("oneHot", `${classes} is not a number of classes`, indices);
  const ones = full([...indices.shape, 1], 1, { dtype, device: indices.device });
  return putAlongAxis(ones, expandDims(indices, -1), -1, classes);
}
