import { noGrad } from "../../autograd/graph.ts";
import { collateImages } from "../../data/batch.ts";
import type { Box } from "../../data/dataset.ts";
import type { Grid } from "../../vilt/interpolation.ts";
import type { Vilt } from "../../vilt/model.ts";
import { type AlignmentSettings, alignmentOf } from "../../vilt/pretraining.ts";
import { uploadPairs } from "../batches.ts";
import { argmaxOf, patchCentreIn, RunningMean } from "../metrics.ts";
import { chunks, type EncodedSample, type EvaluationContext } from "./context.ts";
import { thingsInText, tokensOfWords } from "./masked-words.ts";

export interface PointingScore {
  /** Nouns whose patch of largest mass has its centre inside the true box. */
  readonly score: number;
  /** The same for pointing at any patch. */
  readonly chance: number;
  /** The same for always pointing at some thing of the picture, whichever. */
  readonly someThing: number;
}

/** The transport plans of matching pairs: mass of each token's column on each patch, [B][T][P]. */
export async function plansOf(
  rows: readonly EncodedSample[],
  model: Vilt,
  padId: number,
  config: AlignmentSettings,
): Promise<Float64Array[][]> {
  const images = collateImages(rows.map(({ sample }) => sample));
  const plan = noGrad(() => {
    const input = uploadPairs(
      rows.map(({ encoding }) => encoding),
      images,
      padId,
    );
    return alignmentOf(model.encode(input), input.textMask, config).plan; // [B, 1 + P, T]
  });
  const values = await plan.data();
  plan.release("plansOf(), after reading it");
  const [B, patches, T] = plan.shape as [number, number, number];
  // Row 0 of a plan is the image's class token.
  const column = (b: number, t: number) =>
    Float64Array.from({ length: patches - 1 }, (_, p) => values[(b * patches + p + 1) * T + t]!);
  return Array.from({ length: B }, (_, b) => Array.from({ length: T }, (_, t) => column(b, t)));
}

/** Mass of a noun on each patch: the sum over its pieces. */
export function massOf(plan: readonly Float64Array[], tokens: readonly number[]): Float64Array {
  return plan[0]!.map((_, patch) => tokens.reduce((mass, token) => mass + plan[token]![patch]!, 0));
}

/** The pointing game for every aligned layer; undefined where the data set does not know its boxes. */
export async function pointing(
  { encoded, model, tokenizer, wordPatchAlignment }: EvaluationContext,
  grid: Grid,
): Promise<Record<string, PointingScore> | undefined> {
  if (!encoded.some(({ sample }) => sample.things?.length)) return undefined;
  const { patchSize } = model.config;
  const hits = new Map(wordPatchAlignment.map(({ layer }) => [layer, new RunningMean()]));
  const [chance, someThing] = [new RunningMean(), new RunningMean()];
  for (const rows of chunks(encoded)) {
    for (const config of wordPatchAlignment) {
      const plans = await plansOf(rows, model.backbone, tokenizer.padId, config);
      for (const [b, row] of rows.entries())
        for (const { words, box } of thingsInText(row)) {
          const patch = argmaxOf(massOf(plans[b]!, tokensOfWords(row, words)));
          hits.get(config.layer)!.add(patchCentreIn(box, patch, grid[1], patchSize) ? 1 : 0);
        }
    }
    for (const row of rows)
      for (const { box } of thingsInText(row)) {
        chance.add(shareInside(box, grid, patchSize));
        someThing.add(1 / row.sample.things!.length);
      }
  }
  const baselines = { chance: chance.mean, someThing: someThing.mean };
  return Object.fromEntries([...hits].map(([layer, mean]) => [layer, { score: mean.mean, ...baselines }]));
}

function shareInside(box: Box, [rows, columns]: Grid, patchSize: number): number {
  let inside = 0;
  for (let patch = 0; patch < rows * columns; patch++) if (patchCentreIn(box, patch, columns, patchSize)) inside++;
  return inside / (rows * columns);
}
