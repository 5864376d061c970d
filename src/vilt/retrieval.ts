import { crossEntropy } from "../autograd/functions/cross-entropy.ts";
import { noGrad, type Parameter } from "../autograd/graph.ts";
import { reshape, slice } from "../autograd/ops/layout.ts";
import type { LayerOptions } from "../nn/init.ts";
import { Linear } from "../nn/linear.ts";
import { Module } from "../nn/module.ts";
import { fromArray } from "../tensor/create.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { type ImageTextMatchingHead, MATCH } from "./heads/image-text-matching.ts";
import type { ForwardOptions, Vilt, ViltInput } from "./model.ts";

/** Ranks texts for an image and images for a text by one score of each pair (specification §4.8). */
export class ViltForRetrieval extends Module {
  readonly rankHead: Linear;

  /**
   * @param backbone shared, not copied
   * @param matchingHead where ranking starts from: its logit of "belongs together"
   */
  constructor(
    readonly backbone: Vilt,
    options: LayerOptions,
    matchingHead?: ImageTextMatchingHead,
  ) {
    super();
    const { hiddenSize, initializer } = backbone.config;
    this.rankHead = new Linear(hiddenSize, 1, { initializer, ...options });
    if (matchingHead) startFrom(this.rankHead, matchingHead);
  }

  get config() {
    return this.backbone.config;
  }

  /** Pairs → pooled [B, d], scores [B]. */
  forward(input: ViltInput, options?: ForwardOptions): { readonly pooled: Tensor; readonly scores: Tensor } {
    const pooled = this.backbone.pool(input, options);
    return { pooled, scores: reshape(this.rankHead.forward(pooled), [-1]) };
  }
}

function startFrom(rank: Linear, { dense }: ImageTextMatchingHead): void {
  const take = (into: Parameter, from: Parameter) =>
    noGrad(() => {
      into.value = slice(from.value, 0, MATCH, MATCH + 1);
    });
  take(rank.weight, dense.weight);
  take(rank.bias!, dense.bias!);
}

/**
 * Cross-entropy of each image's scores for its own caption, which stands first, and for others.
 *
 * @param scores [images · candidates], candidates of one image side by side
 */
export function retrievalLoss(scores: Tensor, candidates: number): Tensor {
  const logits = reshape(scores, [-1, candidates]);
  const first = fromArray(new Int32Array(logits.shape[0]!), [logits.shape[0]!], { device: scores.device });
  return crossEntropy(logits, first);
}
