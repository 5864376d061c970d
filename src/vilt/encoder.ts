import type { LayerOptions } from "../nn/init.ts";
import { LayerNorm } from "../nn/layer-norm.ts";
import { Module } from "../nn/module.ts";
import type { Rng } from "../tensor/rng.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { ViltConfig } from "./config.ts";
import { EncoderLayer } from "./encoder-layer.ts";

export interface EncoderOptions {
  /** int32 [B, N], 1 = token and 0 = padding. */
  readonly mask?: Tensor;
  readonly rng?: Rng;
  /** Also answer what each layer gave and attended to; the weights are computed once more for it. */
  readonly trace?: boolean;
}

export interface EncoderOutput {
  /** After the final LayerNorm, [B, N, d]. */
  readonly hidden: Tensor;
  /** Output of each layer, [B, N, d]; empty without `trace`. */
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

  /** x [B, N, d] → [B, N, d]. */
  forward(x: Tensor, { mask, rng, trace = false }: EncoderOptions = {}): EncoderOutput {
    const layers: Tensor[] = [];
    const attention: Tensor[] = [];
    let hidden = x;
    for (const layer of this.layers) {
      if (trace) attention.push(layer.attentionWeights(hidden, mask));
      hidden = layer.forward(hidden, { mask, rng });
      if (trace) layers.push(hidden);
    }
    return { hidden: this.layerNorm.forward(hidden), layers, attention };
  }
}
