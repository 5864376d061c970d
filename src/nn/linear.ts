import { linear } from "../autograd/functions/linear.ts";
import { linearGelu } from "../autograd/functions/linear-gelu.ts";
import type { Parameter } from "../autograd/graph.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { constantWeight, type LayerOptions, linearWeight } from "./init.ts";
import { Module } from "./module.ts";

export interface LinearOptions extends LayerOptions {
  /** Default: true. */
  readonly bias?: boolean;
  /** Use this weight instead of an own one. */
  readonly sharedWeight?: Parameter;
}

/** y = x Wᵀ + b, with W [out, in]. */
export class Linear extends Module {
  readonly weight: Parameter;
  readonly bias: Parameter | null;

  constructor(inputSize: number, outputSize: number, { bias = true, sharedWeight, ...options }: LinearOptions) {
    super();
    this.weight = sharedWeight ?? linearWeight([outputSize, inputSize], options);
    this.bias = bias ? constantWeight([outputSize], 0, options) : null;
  }

  /** x [..., in] → [..., out]; the residual, of the output's shape, is added in the same pass. */
  forward(x: Tensor, residual?: Tensor): Tensor {
    return linear(x, this.weight.value, this.bias?.value, residual);
  }

  /** x [..., in] → gelu of it [..., out]. */
  forwardGelu(x: Tensor): Tensor {
    return linearGelu(x, this.weight.value, this.bias?.value);
  }
}
