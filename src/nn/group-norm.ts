import { groupNorm } from "../autograd/functions/group-norm.ts";
import type { Parameter } from "../autograd/graph.ts";
import type { Placement } from "../tensor/create.ts";
import { ConfigError } from "../tensor/errors.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { constantWeight } from "./init.ts";
import { Module } from "./module.ts";

/** y = (x − μ) / √(σ² + ε) ∘ w + b over groups of channels (Wu and He 2018); starts with w = 1, b = 0. */
export class GroupNorm extends Module {
  readonly weight: Parameter;
  readonly bias: Parameter;

  constructor(
    readonly numGroups: number,
    numChannels: number,
    readonly eps: number,
    placement: Placement = {},
  ) {
    super();
    if (numChannels % numGroups !== 0)
      throw new ConfigError(`GroupNorm: ${numChannels} channels do not divide into ${numGroups} groups`);
    this.weight = constantWeight([numChannels], 1, placement);
    this.bias = constantWeight([numChannels], 0, placement);
  }

  /** x [B, C, ...] → [B, C, ...]. */
  forward(x: Tensor): Tensor {
    return groupNorm(x, this.numGroups, { weight: this.weight.value, bias: this.bias.value, eps: this.eps });
  }
}
