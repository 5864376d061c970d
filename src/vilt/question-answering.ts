import { binaryCrossEntropyWithLogits } from "../autograd/functions/binary-cross-entropy.ts";
import { mul } from "../autograd/ops/arithmetic.ts";
import type { LayerOptions } from "../nn/init.ts";
import { Module } from "../nn/module.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { Classifier } from "./heads/classifier.ts";
import type { ForwardOptions, Vilt, ViltInput } from "./model.ts";

/** Visual question answering as a choice among the frequent answers (Kim et al. 2021, §4.3; specification §4.6). */
export class ViltForQuestionAnswering extends Module {
  readonly answerClassifier: Classifier;

  /** @param backbone shared, not copied: training goes on with it */
  constructor(
    readonly backbone: Vilt,
    numAnswers: number,
    options: LayerOptions,
  ) {
    super();
    const { hiddenSize: d, initializer } = backbone.config;
    const sizes = { inputSize: d, innerSize: 2 * d, numClasses: numAnswers };
    this.answerClassifier = new Classifier(sizes, { initializer, ...options });
  }

  get config() {
    return this.backbone.config;
  }

  /** Questions with their images → pooled [B, d], logits [B, answers]. */
  forward(input: ViltInput, options?: ForwardOptions): { readonly pooled: Tensor; readonly logits: Tensor } {
    const pooled = this.backbone.pool(input, options);
    return { pooled, logits: this.answerClassifier.forward(pooled) };
  }
}

/**
 * Binary cross-entropy of every answer with its soft score, summed over answers and averaged over questions.
 *
 * @param logits [B, answers]
 * @param scores [B, answers], each in [0, 1]
 */
export function questionAnsweringLoss(logits: Tensor, scores: Tensor): Tensor {
  return mul(binaryCrossEntropyWithLogits(logits, scores), logits.shape[1]!);
}
