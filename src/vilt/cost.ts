import { positionGrid, type ViltConfig } from "./config.ts";
import { Vilt } from "./model.ts";

/** One pair of a text and an image, as the cost of a model is stated for. */
export interface PairSize {
  /** Text tokens, [CLS] and [SEP] included. */
  readonly textTokens: number;
  /** Patches of the image, all of which are projected. */
  readonly patches: number;
  /** Patches that enter the transformer. */
  readonly keptPatches: number;
}

export interface PartCost {
  readonly part: string;
  readonly parameters: number;
  /** Floating-point operations of the matrix products of one forward pass, 2 for each multiply-add. */
  readonly flops: number;
}

/** What a backbone costs, counted plainly and as the paper's table counts (Kim et al. 2021, Table 6 and Figure 1). */
export interface ModelCost {
  readonly size: PairSize;
  readonly parts: readonly PartCost[];
  readonly parameters: number;
  readonly flops: number;
  /** Patch projection and blocks alone: the paper leaves the text embedding out, as all models share it. */
  readonly paperParameters: number;
  /** By the counter that the paper's number agrees with; see `paperFlops`. */
  readonly paperFlops: number;
}

/** Long side over short side of the images that the paper states costs for: 384 × 640. */
const ASPECT = 5 / 3;

/** The pair that the paper states costs for, or the configuration's own picture where all its patches are kept. */
export function statedPair(config: ViltConfig): PairSize {
  const { maxTextLength: textTokens, maxImageLength, imageSize, patchSize } = config;
  const [rows, columns] = positionGrid(config);
  if (maxImageLength === null) return { textTokens, patches: rows * columns, keptPatches: rows * columns };
  const shorter = Math.min(...imageSize);
  const patches = Math.floor(shorter / patchSize) * Math.floor((shorter * ASPECT) / patchSize);
  return { textTokens, patches, keptPatches: Math.min(patches, maxImageLength) };
}

/** Parameters and operations of the backbone, per part; nothing is computed. */
export function modelCost(config: ViltConfig, size: PairSize = statedPair(config)): ModelCost {
  const parts = [...partCosts(config, size)];
  const total = (pick: (part: PartCost) => number) => parts.reduce((sum, part) => sum + pick(part), 0);
  const isOfPaper = ({ part }: PartCost) => part === "patch projection" || part.startsWith("layer ");
  return {
    ...{ size, parts, parameters: total(({ parameters }) => parameters), flops: total(({ flops }) => flops) },
    paperParameters: total((part) => (isOfPaper(part) ? part.parameters : 0)),
    paperFlops: paperFlops(config, size),
  };
}

function* partCosts(config: ViltConfig, { textTokens, patches, keptPatches }: PairSize): Generator<PartCost> {
  const { hiddenSize: d, mlpRatio, numLayers, numChannels, patchSize } = config;
  const named = [...new Vilt(config, { rng: null, device: "meta" }).namedParameters()];
  const count = (prefix: string) =>
    named.reduce((sum, [name, { value }]) => sum + (name.startsWith(prefix) ? value.size : 0), 0);
  const N = textTokens + 1 + keptPatches;
  const table = (part: string, ...prefixes: string[]) => ({
    ...{ part, parameters: prefixes.reduce((sum, prefix) => sum + count(prefix), 0), flops: 0 },
  });
  yield table("text embedding", "textEmbedding.");
  yield table(
    "class token and patch positions",
    "patchEmbedding.classE",
    "patchEmbedding.patchP",
    "patchEmbedding.mask",
  );
  yield {
    part: "patch projection",
    parameters: count("patchEmbedding.projection."),
    flops: 2 * patches * numChannels * patchSize ** 2 * d,
  };
  yield table("modality types", "modalityTypeEmbedding.");
  for (let i = 0; i < numLayers; i++)
    yield {
      part: `layer ${i + 1}`,
      parameters: count(`encoder.layers.${i}.`),
      flops: 2 * ((4 + 2 * mlpRatio) * N * d * d + 2 * N * N * d),
    };
  yield table("final LayerNorm", "encoder.layerNorm.");
  yield { part: "pooler", parameters: count("pooler."), flops: 2 * d * d };
}

/**
 * The count that gives the paper's 55.9 GFLOPs: that of the published BERT and ELECTRA counters, which charges
 * element-wise work, looks every word up by a product with the whole table, and ends with a classifier of every token, for s = text tokens + kept patches, plus
 * the projection of all patches (specification §1.4). A reconstruction: the authors' script is not published, and no plain
 * count gives their number.
 */
function paperFlops(config: ViltConfig, { textTokens, patches, keptPatches }: PairSize): number {
  const { hiddenSize: d, numHeads: h, numLayers, vocabularySize: V, numChannels, patchSize, mlpRatio } = config;
  const s = textTokens + keptPatches;
  const inner = mlpRatio * d;
  const attention = 6 * d * d + 3 * d + 2 * d * s + (5 + 4 + 1) * s * h + 2 * d * s; // with softmax, dropout, scale
  const output = 2 * d * d + d + 4 * d + d + 5; // projection, bias, dropout, residual, and 5 in all for LayerNorm
  const mlp = 4 * d * inner + 8 * inner + inner + d + 4 * d + d + 5 * d; // products, GELU, biases, dropout, …
  const embedding = 2 * d * V + 2 * d * (s + 2) + 2 * d + 5 * d + 4 * d;
  const classifier = 2 * d * d + d + (4 + 8) * d + 2 * d; // ELECTRA's counter has one on every token
  return (
    s * (numLayers * (attention + output + mlp) + embedding + classifier) +
    2 * patches * numChannels * patchSize ** 2 * d
  );
}
