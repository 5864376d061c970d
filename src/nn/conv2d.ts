import { type ConvolutionOptions, conv2d } from "../autograd/functions/convolution.ts";
import type { Parameter } from "../autograd/graph.ts";
import { ConfigError } from "../tensor/errors.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { constantWeight, type LayerOptions, linearWeight } from "./init.ts";
import { Module } from "./module.ts";

export interface Conv2dOptions extends LayerOptions, Omit<ConvolutionOptions, "bias"> {
  /** Default: true. */
  readonly bias?: boolean;
}

/** Two-dimensional convolution with weight [out, in / groups, kh, kw] and bias [out]; see `conv2d`. */
export class Conv2d extends Module {
  readonly weight: Parameter;
  readonly bias: Parameter | null;
  readonly geometry: Omit<ConvolutionOptions, "bias">;

  constructor(
    inputChannels: number,
    outputChannels: number,
    kernel: number | readonly [height: number, width: number],
    { bias = true, stride = 1, padding = 0, dilation = 1, groups = 1, ...options }: Conv2dOptions,
  ) {
    super();
    if (inputChannels % groups !== 0 || outputChannels % groups !== 0)
      throw new ConfigError(
        `Conv2d: ${inputChannels} → ${outputChannels} channels do not divide into ${groups} groups`,
      );
    const [kh, kw] = typeof kernel === "number" ? [kernel, kernel] : kernel;
    this.geometry = { stride, padding, dilation, groups };
    this.weight = linearWeight([outputChannels, inputChannels / groups, kh, kw], options);
    this.bias = bias ? constantWeight([outputChannels], 0, options) : null;
  }

  /** x [B, in, H, W] → [B, out, h, w]. */
  forward(x: Tensor): Tensor {
    return conv2d(x, this.weight.value, { bias: this.bias?.value, ...this.geometry });
  }
}
