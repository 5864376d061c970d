import type { Tensor } from "../../tensor/tensor.ts";
import { add, mul, neg, sub } from "../ops/arithmetic.ts";
import { greater, where } from "../ops/select.ts";
import { exp, log1p } from "../ops/transcendental.ts";
import { checkTarget, type LossOptions, reduceLosses } from "./reduction.ts";

/**
 * −y log s − (1 − y) log(1 − s) with s = sigmoid(x), in the form max(x, 0) − x y + log(1 + e^(−|x|)), which stays finite
 * for every finite logit. Its derivative s − y is that of either branch at 0 too, to every order.
 *
 * @param targets of the logits' shape, each in [0, 1]
 * @returns the mean, unless another `reduction` is named
 * @throws {ShapeError} when the shapes differ
 */
export function binaryCrossEntropyWithLogits(logits: Tensor, targets: Tensor, { reduction }: LossOptions = {}): Tensor {
  checkTarget("binaryCrossEntropyWithLogits", logits, targets);
  const isPositive = greater(logits, 0);
  const linear = sub(where(isPositive, logits, 0), mul(logits, targets));
  const losses = add(linear, log1p(exp(where(isPositive, neg(logits), logits))));
  return reduceLosses("binaryCrossEntropyWithLogits", losses, reduction);
}
