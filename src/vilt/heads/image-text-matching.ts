import type { LayerOptions } from "../../nn/init.ts";
import { Linear } from "../../nn/linear.ts";
import { Module } from "../../nn/module.ts";
import type { Tensor } from "../../tensor/tensor.ts";

/** Class of a pair that belongs together; class 0 is one that does not. */
export const MATCH = 1;

/** Two logits of the pooled vector: mismatched, matched. */
export class ImageTextMatchingHead extends Module {
  readonly dense: Linear;

  constructor(hiddenSize: number, options: LayerOptions) {
    super();
    this.dense = new Linear(hiddenSize, 2, options);
  }

  /** pooled [B, d] → logits [B, 2]. */
  forward(pooled: Tensor): Tensor {
    return this.dense.forward(pooled);
  }
}
