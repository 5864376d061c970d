import { add } from "../autograd/ops/arithmetic.ts";
import { Dropout } from "../nn/dropout.ts";
import { Embedding } from "../nn/embedding.ts";
import type { LayerOptions } from "../nn/init.ts";
import { LayerNorm } from "../nn/layer-norm.ts";
import { Module } from "../nn/module.ts";
import { DataError } from "../tensor/errors.ts";
import { expectShape } from "../tensor/expect-shape.ts";
import type { Rng } from "../tensor/rng.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { ViltConfig } from "./config.ts";

export interface TextEmbeddingOptions extends LayerOptions {
  /** Word that never gets a gradient: 0 in the original, none in the Hugging Face port. Pads reach no loss either way. */
  readonly paddingIndex?: number | null;
}

/**
 * dropout(LayerNorm(word[id] + segment[0] + position[0 … T − 1])), BERT's embedding. Positions count from 0 in every
 * row. The segment table is BERT's own; modality types are another one and come later.
 */
export class TextEmbedding extends Module {
  readonly wordEmbedding: Embedding;
  readonly tokenPositionEmbedding: Embedding;
  readonly segmentEmbedding: Embedding;
  readonly layerNorm: LayerNorm;
  readonly dropout: Dropout;

  constructor(config: ViltConfig, { paddingIndex = null, ...options }: TextEmbeddingOptions) {
    super();
    const d = config.hiddenSize;
    this.wordEmbedding = new Embedding(config.vocabularySize, d, { ...options, paddingIndex });
    this.tokenPositionEmbedding = new Embedding(config.maxTextLength, d, options);
    this.segmentEmbedding = new Embedding(config.segmentTypes, d, options);
    this.layerNorm = new LayerNorm(d, config.textEps, options);
    this.dropout = new Dropout(config.dropout);
  }

  /** ids int32 [B, T] → [B, T, d]. @throws {DataError} when T exceeds the positions there are */
  forward(ids: Tensor, rng?: Rng): Tensor {
    const [, T] = expectShape(ids, "B T", "TextEmbedding");
    const most = this.tokenPositionEmbedding.weight.shape[0]!;
    if (T > most) throw new DataError(`text of ${T} tokens: there are positions for ${most}; truncate it`);
    const offsets = add(this.tokenPositionEmbedding.first(T), this.segmentEmbedding.row(0)); // [T, d]
    const words = this.wordEmbedding.forward(ids); // [B, T, d]
    return this.dropout.forward(this.layerNorm.forward(add(words, offsets)), rng);
  }
}
