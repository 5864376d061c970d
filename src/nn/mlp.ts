import { type Affine, feedForward } from "../autograd/functions/feed-forward.ts";
import { isRecording } from "../autograd/graph.ts";
import type { Rng } from "../tensor/rng.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { Dropout } from "./dropout.ts";
import type { LayerOptions } from "./init.ts";
import { Linear } from "./linear.ts";
import { Module } from "./module.ts";
import { projectOnto } from "./residual.ts";

/**
 * dropout(fc₂(dropout(gelu(fc₁(x))))). The inner dropout is the original ViLT's; the Hugging Face port has only the
 * outer one.
 */
export class Mlp extends Module {
  readonly expand: Linear;
  readonly contract: Linear;
  readonly dropout: Dropout;

  constructor(hiddenSize: number, innerSize: number, { dropout = 0, ...options }: LayerOptions & { dropout?: number }) {
    super();
    this.expand = new Linear(hiddenSize, innerSize, options);
    this.contract = new Linear(innerSize, hiddenSize, options);
    this.dropout = new Dropout(dropout);
  }

  /** x [..., d] → [..., d], plus the residual where one is given. */
  forward(x: Tensor, { rng, residual }: { readonly rng?: Rng; readonly residual?: Tensor } = {}): Tensor {
    // For a graph both layers are one operation, whose pull-back needs fewer passes.
    if (isRecording() && !this.dropout.isActive(rng))
      return feedForward(x, affine(this.expand), affine(this.contract), residual);
    const inner = this.dropout.forward(this.expand.forwardGelu(x), rng);
    return projectOnto(this.contract, this.dropout, inner, { rng, residual });
  }
}

const affine = ({ weight, bias }: Linear): Affine => ({ weight: weight.value, bias: bias!.value });
