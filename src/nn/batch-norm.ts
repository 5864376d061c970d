import { type BatchStatistics, batchNorm, type ChannelStatistics } from "../autograd/functions/batch-norm.ts";
import type { Parameter } from "../autograd/graph.ts";
import type { Placement } from "../tensor/create.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { constantWeight } from "./init.ts";
import { Module } from "./module.ts";

/**
 * y = (x − μ) / √(σ² + ε) ∘ w + b for each channel (Ioffe and Szegedy 2015); starts with w = 1, b = 0. It remembers
 * nothing: who trains keeps running statistics by `runningStatistics` and gives them to evaluate.
 */
export class BatchNorm extends Module {
  readonly weight: Parameter;
  readonly bias: Parameter;

  constructor(
    numChannels: number,
    readonly eps: number,
    placement: Placement = {},
  ) {
    super();
    this.weight = constantWeight([numChannels], 1, placement);
    this.bias = constantWeight([numChannels], 0, placement);
  }

  /** x [B, C, ...] → out of the same shape, and the batch's statistics unless running ones are used. */
  forward(x: Tensor, running?: ChannelStatistics): { out: Tensor; statistics: BatchStatistics | null } {
    return batchNorm(x, { weight: this.weight.value, bias: this.bias.value, eps: this.eps, running });
  }
}
