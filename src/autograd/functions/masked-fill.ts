import { ShapeError } from "../../tensor/errors.ts";
import { broadcastShapes, sameShape } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { where } from "../ops/select.ts";

/**
 * x with `value` where the mask is not 0. What is replaced gets a gradient of exactly 0.
 *
 * @param mask int32, of a shape that broadcasts to x's
 * @throws {ShapeError} when the mask does not broadcast to x's shape
 * @throws {DTypeError} when the mask is not int32
 */
export function maskedFill(x: Tensor, mask: Tensor, value: number): Tensor {
  if (!sameShape(broadcastShapes("maskedFill", x.shape, mask.shape), x.shape))
    throw new ShapeError("maskedFill", "the mask does not broadcast to the shape of x", x, mask);
  return where(mask, value, x);
}
