import { ShapeError } from "../../tensor/errors.ts";
import { normalizeAxis } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { transpose } from "../ops/layout.ts";

/** Applies a function of rows along `axis`; kernels know the last axis alone. @throws {ShapeError} for an empty axis */
export function onLastAxis(operation: string, x: Tensor, axis: number, rows: (x: Tensor) => Tensor): Tensor {
  const at = normalizeAxis(operation, axis, x.rank);
  if (x.shape[at] === 0) throw new ShapeError(operation, `axis ${axis} is empty`, x);
  return at === x.rank - 1 ? rows(x) : transpose(rows(transpose(x, at, -1)), at, -1);
}
