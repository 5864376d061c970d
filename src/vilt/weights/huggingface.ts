import type { ViltConfig } from "../config.ts";
import { Vilt } from "../model.ts";
import type { Loadable, PublishedWeight, WeightLayout } from "./published-weight.ts";

/** Of the backbone inside a model with heads. */
const BACKBONE = "vilt.";

type Entry = readonly [published: string, parameter: string];

/** Names of a weight and its bias. */
const pair = (published: string, parameter: string): Entry[] =>
  ["weight", "bias"].map((kind) => [`${published}.${kind}`, `${parameter}.${kind}`] as const);

function backboneEntries({ numLayers }: ViltConfig): Entry[] {
  const text = "embeddings.text_embeddings";
  return [
    ["embeddings.cls_token", "patchEmbedding.classEmbedding"],
    ["embeddings.mask_token", "patchEmbedding.maskEmbedding"],
    ["embeddings.position_embeddings", "patchEmbedding.patchPositionEmbedding"],
    [`${text}.word_embeddings.weight`, "textEmbedding.wordEmbedding.weight"],
    [`${text}.position_embeddings.weight`, "textEmbedding.tokenPositionEmbedding.weight"],
    [`${text}.token_type_embeddings.weight`, "textEmbedding.segmentEmbedding.weight"],
    ...pair(`${text}.LayerNorm`, "textEmbedding.layerNorm"),
    ...pair("embeddings.patch_embeddings.projection", "patchEmbedding.projection"),
    ["embeddings.token_type_embeddings.weight", "modalityTypeEmbedding.types.weight"],
    ...Array.from({ length: numLayers }, (_, i) => blockEntries(i)).flat(),
    ...pair("layernorm", "encoder.layerNorm"),
    ...pair("pooler.dense", "pooler.dense"),
  ];
}

function blockEntries(i: number): Entry[] {
  const at = (published: string, parameter: string) =>
    pair(`encoder.layer.${i}.${published}`, `encoder.layers.${i}.${parameter}`);
  return [
    ...at("layernorm_before", "layerNormBefore"),
    ...at("attention.attention.qkv", "attention.queryKeyValue"),
    ...at("attention.output.dense", "attention.output"),
    ...at("layernorm_after", "layerNormAfter"),
    ...at("intermediate.dense", "mlp.expand"),
    ...at("output.dense", "mlp.contract"),
  ];
}

/** Both classifiers have the same name there. */
const classifier = (field: string): Entry[] => [
  ...pair("classifier.0", `${field}.expand`),
  ...pair("classifier.1", `${field}.layerNorm`),
  ...pair("classifier.3", `${field}.output`),
];

/** The heads that the library has classes for; the matching head is not among them. */
const HEADS: readonly Entry[] = [
  ["mlm_score.decoder.bias", "maskedLanguageModelingHead.decoder.bias"],
  ["mlm_score.decoder.weight", "maskedLanguageModelingHead.decoder.weight"],
  ...pair("mlm_score.transform.dense", "maskedLanguageModelingHead.dense"),
  ...pair("mlm_score.transform.LayerNorm", "maskedLanguageModelingHead.layerNorm"),
  ...classifier("answerClassifier"),
  ...classifier("pairClassifier"),
  ...pair("rank_output", "rankHead"),
];

/** One packed matrix of ours is three of theirs. */
const PARTS = ["query", "key", "value"] as const;

function split(weight: PublishedWeight): PublishedWeight[] {
  if (!weight.published.includes(".qkv.")) return [weight];
  const d = weight.shape[0]! / PARTS.length;
  return PARTS.map((part, i) => ({
    published: weight.published.replace(".qkv.", `.${part}.`),
    shape: [d, ...weight.shape.slice(1)],
    parameter: weight.parameter,
    rows: [i * d, (i + 1) * d],
  }));
}

/** Shapes are those of the parameters, but for vectors with leading axes and the convolution of patches. */
function shapeOf(
  published: string,
  shape: readonly number[],
  { patchSize, numChannels }: ViltConfig,
): readonly number[] {
  if (published.endsWith("patch_embeddings.projection.weight")) return [shape[0]!, numChannels, patchSize, patchSize];
  return /embeddings\.(cls_token|mask_token)$/.test(published) || published.endsWith("embeddings.position_embeddings")
    ? [1, ...shape]
    : shape;
}

function weights(model: Loadable): PublishedWeight[] {
  const named = model.namedParameters();
  const [outer, inner] = model instanceof Vilt ? ["", ""] : [BACKBONE, "backbone."];
  const entries = [
    ...backboneEntries(model.config).map(([published, parameter]): Entry => [outer + published, inner + parameter]),
    ...HEADS,
  ];
  return entries.flatMap(([published, parameter]) => {
    const shape = named.get(parameter)?.shape;
    return shape ? split({ published, shape: shapeOf(published, shape, model.config), parameter }) : [];
  });
}

const ALIASES: Readonly<Record<string, string>> = { "mlm_score.decoder.bias": "mlm_score.bias" };
const HEAD_PREFIXES = ["mlm_score.", "classifier.", "rank_output.", "itm_score."];

/** The names of Hugging Face's ViltModel and ViltFor… classes. */
export const huggingfaceLayout: WeightLayout = {
  name: "Hugging Face",
  weights,
  /** A backbone may stand in a file alone or inside a model with heads; the bias of the decoder has two names. */
  find(published, names) {
    const alternatives = [
      ...(published.startsWith(BACKBONE) ? [published.slice(BACKBONE.length)] : [BACKBONE + published]),
      ...(ALIASES[published] ? [ALIASES[published]] : []),
    ];
    return names.has(published) ? published : (alternatives.find((name) => names.has(name)) ?? published);
  },
  mayBeLeft(name, known) {
    if (name.endsWith("text_embeddings.position_ids")) return true;
    if (Object.entries(ALIASES).some((both) => both.includes(name) && both.some((other) => known.has(other))))
      return true;
    return HEAD_PREFIXES.some((head) => name.startsWith(head) && ![...known].some((other) => other.startsWith(head)));
  },
};
