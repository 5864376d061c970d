import { broadcastShapes } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { mul } from "../ops/arithmetic.ts";
import { broadcastTo, sum } from "../ops/reduce.ts";
import { normalize } from "./normalize.ts";

/**
 * a·b / (max(‖a‖, ε) max(‖b‖, ε)) along an axis, vector by vector with broadcasting. For all pairs of two sets of
 * vectors, `cosineDistance` is 1 minus this, as one matrix product.
 *
 * @param axis of the operands as broadcast; the last unless given (PyTorch: the second)
 * @param eps norms below this are taken as this; PyTorch's constant
 * @returns the broadcast shape without the axis
 */
export function cosineSimilarity(a: Tensor, b: Tensor, axis = -1, eps = 1e-8): Tensor {
  const shape = broadcastShapes("cosineSimilarity", a.shape, b.shape);
  return sum(mul(normalize(broadcastTo(a, shape), axis, eps), normalize(broadcastTo(b, shape), axis, eps)), axis);
}
