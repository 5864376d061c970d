import { normalizeAxis } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { apply, definePrimitive } from "../primitive.ts";

export interface SortOptions {
  /** Largest first. */
  readonly descending?: boolean;
}

/**
 * Positions that put an axis in order, int32 of x's shape: takeAlongAxis(x, argsort(x)) ascends. Equal values keep their
 * order in both directions, 0 and −0 are equal, and NaN counts as the largest, as in PyTorch. No derivative.
 *
 * @throws {ShapeError} when there is no such axis
 */
export function argsort(x: Tensor, axis = -1, { descending = false }: SortOptions = {}): Tensor {
  return apply(argsortPrimitive, [x], { axis: normalizeAxis("argsort", axis, x.rank), descending });
}
const argsortPrimitive = definePrimitive("argsort", {
  infer: ([x]) => ({ shape: x.shape, dtype: "int32" }),
  vjp: "none",
});
