import type { Parameter } from "../../autograd/graph.ts";
import type { LayerOptions } from "../../nn/init.ts";
import { LayerNorm } from "../../nn/layer-norm.ts";
import { Linear } from "../../nn/linear.ts";
import { Module } from "../../nn/module.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import type { ViltConfig } from "../config.ts";

/** BERT's head: decoder(LayerNorm(gelu(dense(x)))), with a decoder that is not tied to the word embedding by default. */
export class MaskedLanguageModelingHead extends Module {
  readonly dense: Linear;
  readonly layerNorm: LayerNorm;
  readonly decoder: Linear;

  /** @param wordEmbedding the table to share with the decoder, where the configuration ties them */
  constructor(
    config: Pick<ViltConfig, "hiddenSize" | "vocabularySize" | "textEps">,
    options: LayerOptions,
    wordEmbedding?: Parameter,
  ) {
    super();
    const { hiddenSize: d, vocabularySize } = config;
    this.dense = new Linear(d, d, options);
    this.layerNorm = new LayerNorm(d, config.textEps, options);
    this.decoder = new Linear(d, vocabularySize, { ...options, ...(wordEmbedding && { sharedWeight: wordEmbedding }) });
  }

  /** text [..., d] → logits [..., V]. */
  forward(text: Tensor): Tensor {
    return this.decoder.forward(this.layerNorm.forward(this.dense.forwardGelu(text)));
  }
}
