import { captionFits, collateImages, type ImageBatch, selectImages } from "../../data/batch.ts";
import type { Sample } from "../../data/dataset.ts";
import { type Recall, recall } from "../metrics.ts";
import { chunks, type EvaluationContext } from "./context.ts";
import { matchingLogits } from "./matching.ts";

export interface Retrieval {
  readonly pool: number;
  readonly textRetrieval: Recall;
  readonly imageRetrieval: Recall;
  readonly retrievalChance: Recall;
}

/** Rows of which no two show the same things, or the same picture where things are not known. */
export function distinct<Row extends { readonly sample: Sample }>(rows: readonly Row[], most: number): Row[] {
  const pool: Row[] = [];
  for (const candidate of rows) {
    if (pool.length === most) break;
    const same = ({ sample }: Row) => captionFits(candidate.sample, sample) && captionFits(sample, candidate.sample);
    if (!pool.some(same)) pool.push(candidate);
  }
  return pool;
}

/**
 * Scores of every picture of a pool with every caption, [pictures · captions].
 *
 * @param scoresOf scores of rows with one picture each
 */
export async function scorePool<Row extends { readonly sample: Sample }>(
  pool: readonly Row[],
  scoresOf: (rows: readonly Row[], images: ImageBatch) => Promise<ArrayLike<number>>,
): Promise<Float64Array> {
  const n = pool.length;
  const images = collateImages(pool.map(({ sample }) => sample));
  const scores = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    let at = i * n;
    for (const rows of chunks(pool)) {
      const picture = selectImages(
        images,
        rows.map(() => i),
      );
      scores.set(Float64Array.from(await scoresOf(rows, picture)), at);
      at += rows.length;
    }
  }
  return scores;
}

/**
 * Recall of a pool's scores: text retrieval ranks captions for a picture, image retrieval pictures for a caption.
 *
 * @param scores [n · n], a row a picture
 */
export function retrievalOf(scores: Float64Array): Retrieval {
  const n = Math.sqrt(scores.length);
  const chance = (k: number) => Math.min(1, k / n);
  return {
    pool: n,
    textRetrieval: recall(scores, n, "rows"),
    imageRetrieval: recall(scores, n, "columns"),
    retrievalChance: { at1: chance(1), at5: chance(5), at10: chance(10) },
  };
}

/** Every picture of a pool against every caption by the matching head's logit of "belongs together". */
export async function retrieval(context: EvaluationContext): Promise<Retrieval> {
  const scores = await scorePool(distinct(context.encoded, context.pool), async (rows, images) => {
    const logits = await matchingLogits(rows, images, context);
    return rows.map((_, b) => logits[2 * b + 1]!);
  });
  return retrievalOf(scores);
}
