import { softmax } from "../autograd/functions/softmax.ts";
import { reshape, slice } from "../autograd/ops/layout.ts";
import { collateImages } from "../data/batch.ts";
import type { ViltForPretraining } from "../vilt/pretraining.ts";
import { uploadPairs } from "./batches.ts";
import { compute } from "./compute.ts";
import type { EncodedSample } from "./evaluation/context.ts";

/** What a model makes of one image with one caption; vectors have the model's hidden size d. */
export interface PairEmbedding {
  /** Probability that image and caption belong together, from the matching head. */
  readonly matching: number;
  /** Logits of "does not belong" and "belongs". */
  readonly logits: readonly number[];
  /** The pooled text [CLS] that the matching head reads, [d]. */
  readonly pooled: readonly number[];
  /** The text's [CLS] after the transformer, [d]. */
  readonly textClass: readonly number[];
  /** The image's class token after the transformer, [d]. */
  readonly imageClass: readonly number[];
}

/** Embeds one pair. Words and patches see each other in every layer, so all vectors are of the pair, not of one side. */
export async function embedPair(row: EncodedSample, model: ViltForPretraining, padId: number): Promise<PairEmbedding> {
  const values = await compute(() => {
    const input = uploadPairs([row.encoding], collateImages([row.sample]), padId);
    const { pooled, text, image } = model.backbone.forward(input);
    const logits = model.imageTextMatchingHead.forward(pooled);
    const d = pooled.shape[1]!;
    const first = (tokens: typeof text) => reshape(slice(tokens, 1, 0, 1), [d]);
    return { logits, probabilities: softmax(logits), pooled, text: first(text), image: first(image) };
  });
  const { logits, probabilities, pooled, text, image } = values;
  return {
    matching: probabilities[1]!,
    ...{ logits: [...logits], pooled: [...pooled], textClass: [...text], imageClass: [...image] },
  };
}
