import { reshape } from "../../autograd/ops/layout.ts";
import type { LayerOptions } from "../../nn/init.ts";
import { LayerNorm } from "../../nn/layer-norm.ts";
import { Linear } from "../../nn/linear.ts";
import { Module } from "../../nn/module.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import type { ViltConfig } from "../config.ts";

/** Brightness of a channel is one of so many classes. */
export const BINS = 256;

/** Guesses the mean brightness of each channel of a patch, as BERT's head guesses words (specification §4.5). */
export class MaskedPatchPredictionHead extends Module {
  readonly dense: Linear;
  readonly layerNorm: LayerNorm;
  readonly decoder: Linear;
  readonly numChannels: number;

  constructor(
    { hiddenSize: d, textEps, numChannels }: Pick<ViltConfig, "hiddenSize" | "textEps" | "numChannels">,
    options: LayerOptions,
  ) {
    super();
    this.numChannels = numChannels;
    this.dense = new Linear(d, d, options);
    this.layerNorm = new LayerNorm(d, textEps, options);
    this.decoder = new Linear(d, numChannels * BINS, options);
  }

  /** image [..., d] → logits [..., C, 256]. */
  forward(image: Tensor): Tensor {
    const logits = this.decoder.forward(this.layerNorm.forward(this.dense.forwardGelu(image)));
    return reshape(logits, [...image.shape.slice(0, -1), this.numChannels, BINS]);
  }
}
