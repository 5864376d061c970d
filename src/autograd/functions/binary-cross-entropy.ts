import type { Tensor } from "../../tensor/tensor.ts";
import { add, mul, neg, sub } from "../ops/arithmetic.ts";
import { abs, maximum } from "../ops/extrema.ts";
import { exp, log } from "../ops/transcendental.ts";
import { mean } from "./mean.ts";

/**
 * Mean of −y log s − (1 − y) log(1 − s) with s = sigmoid(x), in the form max(x, 0) − x y + log(1 + e^(−|x|)), which
 * stays finite for every logit.
 *
 * @param targets of the logits' shape, each in [0, 1]
 */
export function binaryCrossEntropyWithLogits(logits: Tensor, targets: Tensor): Tensor {
  const loss = add(sub(maximum(logits, 0), mul(logits, targets)), log(add(exp(neg(abs(logits))), 1)));
  return mean(loss);
}
