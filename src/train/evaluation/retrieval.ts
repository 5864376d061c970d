import { captionFits, collateImages, selectImages } from "../../data/batch.ts";
import { type Recall, recall } from "../metrics.ts";
import { chunks, type EncodedSample, type EvaluationContext } from "./context.ts";
import { matchingLogits } from "./matching.ts";

export interface Retrieval {
  readonly pool: number;
  readonly textRetrieval: Recall;
  readonly imageRetrieval: Recall;
  readonly retrievalChance: Recall;
}

/** Samples of which no two show the same things, or the same picture where things are not known. */
function distinct(encoded: readonly EncodedSample[], most: number): EncodedSample[] {
  const pool: EncodedSample[] = [];
  for (const candidate of encoded) {
    if (pool.length === most) break;
    const same = ({ sample }: EncodedSample) =>
      captionFits(candidate.sample, sample) && captionFits(sample, candidate.sample);
    if (!pool.some(same)) pool.push(candidate);
  }
  return pool;
}

/**
 * Every picture of a pool against every caption by the matching head's logit of "belongs together":
 * text retrieval ranks captions for a picture, image retrieval pictures for a caption.
 */
export async function retrieval(context: EvaluationContext): Promise<Retrieval> {
  const pool = distinct(context.encoded, context.pool);
  const n = pool.length;
  const images = collateImages(pool.map(({ sample }) => sample));
  const scores = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    let j = 0;
    for (const rows of chunks(pool)) {
      const picture = selectImages(
        images,
        rows.map(() => i),
      );
      const logits = await matchingLogits(rows, picture, context);
      for (let b = 0; b < rows.length; b++) scores[i * n + j++] = logits[2 * b + 1]!;
    }
  }
  const chance = (k: number) => Math.min(1, k / n);
  return {
    pool: n,
    textRetrieval: recall(scores, n, "rows"),
    imageRetrieval: recall(scores, n, "columns"),
    retrievalChance: { at1: chance(1), at5: chance(5), at10: chance(10) },
  };
}
