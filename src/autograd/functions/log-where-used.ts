import type { Tensor } from "../../tensor/tensor.ts";
import { mul } from "../ops/arithmetic.ts";
import { equal, where } from "../ops/select.ts";

/**
 * Logarithms for a sum Σ w log p in which 0 · log 0 = 0: where a weight is 0 and its logarithm −∞, the logarithm is
 * taken as 0. All others stay as they are, so that a weight of 0 keeps its derivative log p wherever that is finite.
 */
export function logWhereUsed(weights: Tensor, logs: Tensor): Tensor {
  return where(mul(equal(weights, 0), equal(logs, Number.NEGATIVE_INFINITY)), 0, logs);
}
