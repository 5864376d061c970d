import { crossEntropy } from "../../autograd/functions/cross-entropy.ts";
import { fromArray } from "../../tensor/create.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import type { ImageTextMatchingHead } from "../heads/image-text-matching.ts";

/**
 * Binary cross-entropy −E[y log s + (1 − y) log(1 − s)], with s = softmax(logits)₁ the probability that image and text
 * belong together, as a cross-entropy of two classes.
 *
 * @param pooled [B, d]
 * @param labels [B], 1 = match
 */
export function imageTextMatchingLoss(
  pooled: Tensor,
  labels: Int32Array,
  head: ImageTextMatchingHead,
): { loss: Tensor; logits: Tensor } {
  const logits = head.forward(pooled);
  return { loss: crossEntropy(logits, fromArray(labels, [labels.length], { device: pooled.device })), logits };
}
