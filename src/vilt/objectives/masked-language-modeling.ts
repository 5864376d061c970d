import { crossEntropy } from "../../autograd/functions/cross-entropy.ts";
import { gather } from "../../autograd/ops/indexing.ts";
import { reshape } from "../../autograd/ops/layout.ts";
import { fromArray, zeros } from "../../tensor/create.ts";
import { DataError } from "../../tensor/errors.ts";
import { expectShape } from "../../tensor/expect-shape.ts";
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

/**
 * Negative log-likelihood of the masked words given the others and the image, −log P(w_m | w_\m, v). The head runs on
 * the labelled tokens alone: the same value as on all of them, far cheaper.
 *
 * @param hidden [B, N, d], the joint sequence with text first
 * @param labels [B, T], negative where nothing is to be predicted
 */
export function maskedLanguageModelingLoss(
  hidden: Tensor,
  labels: Int32Array,
  head: MaskedLanguageModelingHead,
): MaskedLanguageModelingLoss {
  const [B, N, d] = expectShape(hidden, "B N d", "maskedLanguageModelingLoss");
  const T = labels.length / B;
  if (!Number.isInteger(T) || T > N)
    throw new DataError(`masked labels: ${labels.length} of them do not fit ${B} texts of at most ${N} tokens`);
  const vocabularySize = head.decoder.weight.shape[0]!;
  const labelled: number[] = [];
  for (const [k, label] of labels.entries()) {
    if (label >= vocabularySize)
      throw new DataError(
        `masked labels: ${label} at token ${k % T} of text ${Math.floor(k / T)}, of ${vocabularySize} words`,
      );
    if (label >= 0) labelled.push(k);
  }
  const { device, dtype } = hidden;
  if (labelled.length === 0) return { loss: zeros([], { device, dtype }), logits: null, labels: new Int32Array() };
  const rows = Int32Array.from(labelled, (k) => Math.floor(k / T) * N + (k % T));
  const words = gather(reshape(hidden, [B * N, d]), fromArray(rows, [rows.length], { device })); // [n, d]
  const logits = head.forward(words);
  const targets = Int32Array.from(labelled, (k) => labels[k]!);
  return { loss: crossEntropy(logits, fromArray(targets, [targets.length], { device })), logits, labels: targets };
}
