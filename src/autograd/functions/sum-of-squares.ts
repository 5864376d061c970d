import { commonDType } from "../../tensor/dtype.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { applyFused, defineFused } from "../fused.ts";
import { add, mul, square } from "../ops/arithmetic.ts";
import { sum } from "../ops/reduce.ts";

/**
 * Σ x² over all cells of all tensors, []: the squared length of them as one vector.
 * Pull-back: x̄ = 2 ȳ x.
 *
 * @param tensors one or more, of any shapes
 */
export function sumOfSquares(tensors: readonly Tensor[]): Tensor {
  return applyFused(sumOfSquaresFused, tensors, {});
}

export const sumOfSquaresFused = defineFused("sumOfSquares", {
  infer: (tensors) => ({ shape: [], dtype: commonDType("sumOfSquares", tensors) }),
  definition: (tensors) => tensors.map((x) => sum(square(x))).reduce((a, b) => add(a, b)),
  vjp: ({ grad, inputs }) => inputs.map((x) => () => mul(grad, mul(x, 2))),
});
