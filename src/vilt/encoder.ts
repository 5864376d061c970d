import type { LayerOptions } from "../nn/init.ts";
import { LayerNorm } from "../nn/layer-norm.ts";
import { Module } from "../nn/module.ts";
import type { AttentionInput } from "../nn/multi-head-self-attention.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { ViltConfig } from "./config.ts";
import { EncoderLayer } from "./encoder-layer.ts";

export interface EncoderOptions extends Omit<AttentionInput, "residual"> {
  /** Also answer what each layer gave and attended to; the weights are computed once more for it. */
  readonly trace?: boolean;
}

export interface EncoderOutput {
  /** After the final LayerNorm, [B, N, d]; [n, d] where only some tokens are wanted. */
  readonly hidden: Tensor;
  /** Output of each layer, [B, N, d], the last one's as `hidden`; empty without `trace`. */
  readonly layers: readonly Tensor[];
  /** Attention weights of each layer, [B, h, N, N]; empty without `trace`. */
  readonly attention: readonly Tensor[];
}

/** A stack of pre-norm blocks and a final LayerNorm over all tokens. */
export class Encoder extends Module {
  readonly layers: readonly EncoderLayer[];
  readonly layerNorm: LayerNorm;

  constructor(config: ViltConfig, options: LayerOptions) {
    super();
    this.layers = Array.from({ length: config.numLayers }, () => new EncoderLayer(config, options));
    this.layerNorm = new LayerNorm(config.hiddenSize, config.encoderEps, options);
  }

  /** x [B, N, d] → [B, N, d]; with `tokens` [n, d]: the last layer leaves the others out, those before need all. */
  forward(x: Tensor, { mask, rng, tokens, trace = false }: EncoderOptions = {}): EncoderOutput {
    const layers: Tensor[] = [];
    const attention: Tensor[] = [];
    let hidden = x;
    for (const [i, layer] of this.layers.entries()) {
      if (trace) attention.push(layer.attentionWeights(hidden, mask));
      const isLast = i === this.layers.length - 1;
      hidden = layer.forward(hidden, { mask, rng, ...(isLast && { tokens }) });
      if (trace) layers.push(hidden);
    }
    return { hidden: this.layerNorm.forward(hidden), layers, attention };
  }
}
