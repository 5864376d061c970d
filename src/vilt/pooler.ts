import { tanh } from "../autograd/ops/transcendental.ts";
import type { LayerOptions } from "../nn/init.ts";
import { Linear } from "../nn/linear.ts";
import { Module } from "../nn/module.ts";
import type { Tensor } from "../tensor/tensor.ts";

/** tanh(W x₀ + b) of the text's [CLS], which is token 0 of the joint sequence; the image's class token is not it. */
export class Pooler extends Module {
  readonly dense: Linear;

  constructor(hiddenSize: number, options: LayerOptions) {
    super();
    this.dense = new Linear(hiddenSize, hiddenSize, options);
  }

  /** x₀ after the final LayerNorm, [B, d] → [B, d]. */
  forward(first: Tensor): Tensor {
    return tanh(this.dense.forward(first));
  }
}
