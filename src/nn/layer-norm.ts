import { layerNorm } from "../autograd/functions/layer-norm.ts";
import type { Parameter } from "../autograd/graph.ts";
import type { Placement } from "../tensor/create.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { constantWeight } from "./init.ts";
import { Module } from "./module.ts";

/** y = (x − μ) / √(σ² + ε) ∘ w + b over the last axis (Ba et al. 2016); starts with w = 1, b = 0. */
export class LayerNorm extends Module {
  readonly weight: Parameter;
  readonly bias: Parameter;

  constructor(
    hiddenSize: number,
    readonly eps: number,
    placement: Placement = {},
  ) {
    super();
    this.weight = constantWeight([hiddenSize], 1, placement);
    this.bias = constantWeight([hiddenSize], 0, placement);
  }

  /** x [..., d] → [..., d]. */
  forward(x: Tensor): Tensor {
    return layerNorm(x, this.weight.value, this.bias.value, this.eps);
  }
}
