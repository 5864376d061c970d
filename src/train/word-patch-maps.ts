import { noGrad } from "../autograd/graph.ts";
import { collateImages } from "../data/batch.ts";
import { transportHeatMap } from "../vilt/heat-map.ts";
import type { Vilt } from "../vilt/model.ts";
import { patchGrid } from "../vilt/patch-mask.ts";
import type { AlignmentSettings } from "../vilt/pretraining.ts";
import type { WordPatchMap } from "../viz/alignment-page.ts";
import { uploadPairs } from "./batches.ts";
import type { EncodedSample } from "./evaluation/context.ts";
import { tokensOfWords } from "./evaluation/masked-words.ts";
import { massOf, plansOf } from "./evaluation/pointing.ts";

/** A matrix [rows][columns]. */
type Matrix = readonly Float64Array[];

/**
 * What the words of a pair have to do with its patches: the transport plan, the attention of each layer (mean over the
 * heads), and attention rollout (Abnar and Zuidema 2020), which follows attention through all layers.
 *
 * @param words [start, end) among the words of the caption, for each word to show
 */
export async function wordPatchMaps(
  row: EncodedSample,
  model: Vilt,
  padId: number,
  settings: AlignmentSettings,
  words: readonly (readonly [number, number])[],
): Promise<WordPatchMap[]> {
  const { height, width } = row.sample;
  const grid = patchGrid({ height, width, patchSize: model.config.patchSize });
  const cells = grid[0] * grid[1];
  const [plan] = await plansOf([row], model, padId, settings);
  const transport = words.map((span) => [...transportHeatMap(massOf(plan!, tokensOfWords(row, span)), grid)]);
  const layers = await meanAttention(row, model, padId);
  const firstPatch = row.encoding.ids.length + 1; // after the image's class token
  const fromAttention = (attention: Matrix) =>
    words.map((span) => {
      const tokens = tokensOfWords(row, span);
      const values = Array.from({ length: cells }, (_, p) =>
        tokens.reduce((sum, token) => sum + attention[token]![firstPatch + p]!, 0),
      );
      const largest = Math.max(...values);
      return values.map((value) => (largest > 0 ? value / largest : 0));
    });
  return [
    { name: `transport plan, ${settings.layer} layer`, visibility: transport },
    ...layers.map((attention, i) => ({ name: `attention, layer ${i + 1}`, visibility: fromAttention(attention) })),
    { name: "attention rollout", visibility: fromAttention(rollout(layers)) },
  ];
}

/** Attention of each layer, averaged over its heads, [N][N]: row = query. */
async function meanAttention(row: EncodedSample, model: Vilt, padId: number): Promise<Matrix[]> {
  const { attention } = noGrad(() => {
    const input = uploadPairs([row.encoding], collateImages([row.sample]), padId);
    return { attention: model.encode(input, { trace: true }).attention };
  });
  const layers: Matrix[] = [];
  for (const weights of attention) {
    const [, heads, N] = weights.shape as [number, number, number, number];
    const values = await weights.data();
    weights.release("wordPatchMaps(), after reading it");
    layers.push(
      Array.from({ length: N }, (_, i) =>
        Float64Array.from({ length: N }, (_, j) => {
          let sum = 0;
          for (let head = 0; head < heads; head++) sum += values[(head * N + i) * N + j]!;
          return sum / heads;
        }),
      ),
    );
  }
  return layers;
}

/** Π over the layers of ½ (A + I), the later layer on the left: half of each token passes by every layer. */
export function rollout(layers: readonly Matrix[]): Matrix {
  const N = layers[0]!.length;
  const passed = (attention: Matrix) =>
    attention.map((weights, i) => weights.map((weight, j) => (weight + (i === j ? 1 : 0)) / 2));
  return layers
    .slice(1)
    .reduce<Matrix>(
      (before, attention) =>
        passed(attention).map((weights) =>
          Float64Array.from({ length: N }, (_, j) =>
            weights.reduce((sum, weight, k) => sum + weight * before[k]![j]!, 0),
          ),
        ),
      passed(layers[0]!),
    );
}
