import { collateImages, type ImageBatch, previousRow, selectImages } from "../../data/batch.ts";
import type { Sample } from "../../data/dataset.ts";
import { uploadPairs } from "../batches.ts";
import { compute } from "../compute.ts";
import { countCorrect, RunningMean } from "../metrics.ts";
import { chunks, type EncodedSample, type EvaluationContext, type Score } from "./context.ts";

/** Image–text matching on pairs made as in training, without a false negative where the data set knows its things. */
export async function matching(context: EvaluationContext): Promise<Score> {
  const accuracy = new RunningMean();
  const chance = new RunningMean();
  for (const rows of chunks(context.encoded)) {
    if (rows.length < 2) continue;
    const { labels, imageOf } = previousRow(rows.map(({ sample }) => sample));
    const images = selectImages(collateImages(rows.map(({ sample }) => sample)), imageOf);
    const { correct, counted } = countCorrect(await matchingLogits(rows, images, context), labels, 2);
    accuracy.add(correct / counted, counted);
    chance.add(0.5, counted);
  }
  return { score: accuracy.mean, chance: chance.mean };
}

/** Each caption with its own picture and with that picture changed in one point, by what is changed. */
export async function hardMatching(context: EvaluationContext): Promise<Record<string, Score> | undefined> {
  const { dataset, split, encoded } = context;
  const scores: Record<string, Score> = {};
  for (const change of dataset.changes ?? []) {
    const pairs = encoded.flatMap((row, index) => {
      const negative = dataset.hardNegative?.(change, split, index);
      return negative ? [{ row, negative }] : [];
    });
    const accuracy = new RunningMean();
    for (const some of chunks(pairs)) {
      const rows = some.map(({ row }) => row);
      const judge = async (pictures: readonly Sample[], label: number) => {
        const logits = await matchingLogits(rows, collateImages(pictures), context);
        accuracy.add(
          countCorrect(logits, new Int32Array(rows.length).fill(label), 2).correct / rows.length,
          rows.length,
        );
      };
      await judge(
        rows.map(({ sample }) => sample),
        1,
      );
      await judge(
        some.map(({ negative }) => negative),
        0,
      );
    }
    if (accuracy.count > 0) scores[change] = { score: accuracy.mean, chance: 0.5 };
  }
  return Object.keys(scores).length > 0 ? scores : undefined;
}

/** Logits of "does not belong" and "belongs" for each caption with the picture of its row, [n, 2]. */
export async function matchingLogits(
  rows: readonly EncodedSample[],
  images: ImageBatch,
  { model, tokenizer }: EvaluationContext,
): Promise<ArrayLike<number>> {
  const encodings = rows.map(({ encoding }) => encoding);
  const { logits } = await compute(() => {
    const pooled = model.backbone.pool(uploadPairs(encodings, images, tokenizer.padId));
    return { logits: model.imageTextMatchingHead.forward(pooled) };
  });
  return logits;
}
