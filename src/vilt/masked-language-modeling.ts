import type { LayerOptions } from "../nn/init.ts";
import { Module } from "../nn/module.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { MaskedLanguageModelingHead } from "./heads/masked-language-modeling.ts";
import type { ForwardOptions, Vilt, ViltInput, ViltOutput } from "./model.ts";

/** A backbone with the head that guesses masked words, and nothing else. */
export class ViltForMaskedLanguageModeling extends Module {
  readonly maskedLanguageModelingHead: MaskedLanguageModelingHead;

  /**
   * @param backbone shared, not copied; its configuration says whether the decoder shares the word embedding
   * @param head to take over instead of making one
   */
  constructor(
    readonly backbone: Vilt,
    options: LayerOptions,
    head?: MaskedLanguageModelingHead,
  ) {
    super();
    const { config, textEmbedding } = backbone;
    const tied = config.tieWordEmbeddings ? textEmbedding.wordEmbedding.weight : undefined;
    this.maskedLanguageModelingHead =
      head ?? new MaskedLanguageModelingHead(config, { initializer: config.initializer, ...options }, tied);
  }

  get config() {
    return this.backbone.config;
  }

  /** Texts with their images → logits of every token, [B, T, V]. */
  forward(input: ViltInput, options?: ForwardOptions): ViltOutput & { readonly logits: Tensor } {
    const output = this.backbone.forward(input, options);
    return { ...output, logits: this.maskedLanguageModelingHead.forward(output.text) };
  }
}
