import { rmsNorm } from "../autograd/functions/rms-norm.ts";
import type { Parameter } from "../autograd/graph.ts";
import type { Placement } from "../tensor/create.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { constantWeight } from "./init.ts";
import { Module } from "./module.ts";

/** y = x / √(mean x² + ε) ∘ w over the last axis (Zhang and Sennrich 2019); starts with w = 1. */
export class RmsNorm extends Module {
  readonly weight: Parameter;

  constructor(
    hiddenSize: number,
    readonly eps: number,
    placement: Placement = {},
  ) {
    super();
    this.weight = constantWeight([hiddenSize], 1, placement);
  }

  /** x [..., d] → [..., d]. */
  forward(x: Tensor): Tensor {
    return rmsNorm(x, this.weight.value, this.eps);
  }
}
