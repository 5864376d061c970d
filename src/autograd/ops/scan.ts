import { normalizeAxis } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { apply, definePrimitive } from "../primitive.ts";
import { flip } from "./layout.ts";

/**
 * Sums of the cells so far along an axis: yᵢ = x₀ + … + xᵢ. A NaN stays in all later sums; int32 wraps.
 * Pull-back: x̄ᵢ = ȳᵢ + … + ȳₙ₋₁, the same sums from the other end.
 *
 * @returns of x's shape
 * @throws {ShapeError} when there is no such axis, as in a tensor of rank 0
 */
export function cumsum(x: Tensor, axis = -1): Tensor {
  return apply(cumsumPrimitive, [x], { axis: normalizeAxis("cumsum", axis, x.rank) });
}
const cumsumPrimitive = definePrimitive("cumsum", {
  infer: ([x]) => ({ shape: x.shape, dtype: x.dtype }),
  vjp: ({ grad, attributes: { axis } }) => [() => flip(cumsum(flip(grad, axis), axis), axis)],
});
