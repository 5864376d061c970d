import { crossEntropy } from "../../autograd/functions/cross-entropy.ts";
import { fromArray, zeros } from "../../tensor/create.ts";
import { DataError } from "../../tensor/errors.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import type { MaskedLanguageModelingHead } from "../heads/masked-language-modeling.ts";

/** Label of a token that is not to be predicted. */
export const IGNORED = -100;

export interface MaskedLanguageModelingLoss {
  /** Mean over the labelled tokens, []; 0 when there is none. */
  readonly loss: Tensor;
  /** [n, V], one row a labelled token, in row-major order; null when there is none. */
  readonly logits: Tensor | null;
  /** [n]. */
  readonly labels: Int32Array;
}

/** The tokens to predict. */
export interface LabelledWords {
  /** [n], their places in [B, T], ascending. */
  readonly places: Int32Array;
  /** [n], what they are. */
  readonly labels: Int32Array;
}

/**
 * @param labels [B, T], negative where nothing is to be predicted
 * @throws {DataError} for a label that is no word
 */
export function labelledWords(labels: Int32Array, textLength: number, vocabularySize: number): LabelledWords {
  const places: number[] = [];
  for (let k = 0; k < labels.length; k++) {
    if (labels[k]! >= vocabularySize)
      throw new DataError(
        `masked labels: ${labels[k]} at token ${k % textLength} of text ${Math.floor(k / textLength)}, of ${vocabularySize} words`,
      );
    if (labels[k]! >= 0) places.push(k);
  }
  return { places: Int32Array.from(places), labels: Int32Array.from(places, (k) => labels[k]!) };
}

/**
 * Negative log-likelihood of the masked words given the others and the image, −log P(w_m | w_\m, v). The head runs on
 * the labelled tokens alone: the same value as on all of them, far cheaper.
 *
 * @param words [n, d], the transformer's output for the labelled tokens
 * @param labels [n]
 */
export function maskedLanguageModelingLoss(
  words: Tensor,
  labels: Int32Array,
  head: MaskedLanguageModelingHead,
): MaskedLanguageModelingLoss {
  const { device, dtype } = words;
  if (labels.length === 0) return { loss: zeros([], { device, dtype }), logits: null, labels };
  const logits = head.forward(words);
  return { loss: crossEntropy(logits, fromArray(labels, [labels.length], { device })), logits, labels };
}
