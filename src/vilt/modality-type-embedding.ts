import { add } from "../autograd/ops/arithmetic.ts";
import { Embedding } from "../nn/embedding.ts";
import type { LayerOptions } from "../nn/init.ts";
import { Module } from "../nn/module.ts";
import type { Tensor } from "../tensor/tensor.ts";

/** Row of text, of the first or only image, and of the second image of a pair. */
export const modality = { text: 0, image: 1, secondImage: 2 } as const;
export type Modality = (typeof modality)[keyof typeof modality];

/** Adds what kind of token each is (the paper's modal-type embedding). */
export class ModalityTypeEmbedding extends Module {
  readonly types: Embedding;

  constructor(numTypes: number, hiddenSize: number, options: LayerOptions) {
    super();
    this.types = new Embedding(numTypes, hiddenSize, options);
  }

  /** tokens [B, n, d] → [B, n, d]. */
  forward(tokens: Tensor, type: Modality): Tensor {
    return add(tokens, this.types.row(type));
  }
}
