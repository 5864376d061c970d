import type { Parameter } from "../../autograd/graph.ts";
import type { ViltConfig } from "../config.ts";
import { Vilt } from "../model.ts";
import type { PublishedWeight, WeightLayout } from "./published-weight.ts";

/** Names of a weight and its bias. */
const pair = (published: string, parameter: string, shape: readonly number[]): PublishedWeight[] => [
  { published: `${published}.weight`, shape, parameter: `${parameter}.weight` },
  { published: `${published}.bias`, shape: shape.slice(0, 1), parameter: `${parameter}.bias` },
];

function originalBackbone(config: ViltConfig): PublishedWeight[] {
  const { hiddenSize: d, patchSize: p, numChannels: C, imageSize } = config;
  const positions = 1 + (imageSize[0] / p) * (imageSize[1] / p);
  const table = (published: string, rows: number, parameter: string): PublishedWeight => ({
    published: `${published}.weight`,
    shape: [rows, d],
    parameter: `${parameter}.weight`,
  });
  return [
    table("text_embeddings.word_embeddings", config.vocabularySize, "textEmbedding.wordEmbedding"),
    table("text_embeddings.position_embeddings", config.maxTextLength, "textEmbedding.tokenPositionEmbedding"),
    table("text_embeddings.token_type_embeddings", config.segmentTypes, "textEmbedding.segmentEmbedding"),
    ...pair("text_embeddings.LayerNorm", "textEmbedding.layerNorm", [d]),
    table("token_type_embeddings", config.modalityTypes, "modalityTypeEmbedding.types"),
    { published: "transformer.cls_token", shape: [1, 1, d], parameter: "patchEmbedding.classEmbedding" },
    { published: "transformer.mask_token", shape: [d], parameter: "patchEmbedding.maskEmbedding" },
    {
      published: "transformer.pos_embed",
      shape: [1, positions, d],
      parameter: "patchEmbedding.patchPositionEmbedding",
    },
    ...pair("transformer.patch_embed.proj", "patchEmbedding.projection", [d, C, p, p]),
    ...Array.from({ length: config.numLayers }, (_, i) => originalBlock(config, i)).flat(),
    ...pair("transformer.norm", "encoder.layerNorm", [d]),
    ...pair("pooler.dense", "pooler.dense", [d, d]),
  ];
}

function originalBlock({ hiddenSize: d, mlpRatio }: ViltConfig, i: number): PublishedWeight[] {
  const inner = Math.round(d * mlpRatio);
  const at = (name: string, path: string, shape: readonly number[]) =>
    pair(`transformer.blocks.${i}.${name}`, `encoder.layers.${i}.${path}`, shape);
  return [
    ...at("norm1", "layerNormBefore", [d]),
    ...at("attn.qkv", "attention.queryKeyValue", [3 * d, d]),
    ...at("attn.proj", "attention.output", [d, d]),
    ...at("norm2", "layerNormAfter", [d]),
    ...at("mlp.fc1", "mlp.expand", [inner, d]),
    ...at("mlp.fc2", "mlp.contract", [d, inner]),
  ];
}

/** Published names of the heads, by the field that holds one. */
const HEADS: Readonly<Record<string, readonly (readonly [published: string, parameter: string])[]>> = {
  maskedLanguageModelingHead: [
    ["mlm_score.bias", "decoder.bias"],
    ["mlm_score.transform.dense.weight", "dense.weight"],
    ["mlm_score.transform.dense.bias", "dense.bias"],
    ["mlm_score.transform.LayerNorm.weight", "layerNorm.weight"],
    ["mlm_score.transform.LayerNorm.bias", "layerNorm.bias"],
    ["mlm_score.decoder.weight", "decoder.weight"],
  ],
  imageTextMatchingHead: [
    ["itm_score.fc.weight", "dense.weight"],
    ["itm_score.fc.bias", "dense.bias"],
  ],
  maskedPatchPredictionHead: [
    ["mpp_score.transform.dense.weight", "dense.weight"],
    ["mpp_score.transform.dense.bias", "dense.bias"],
    ["mpp_score.transform.LayerNorm.weight", "layerNorm.weight"],
    ["mpp_score.transform.LayerNorm.bias", "layerNorm.bias"],
    ["mpp_score.decoder.weight", "decoder.weight"],
    ["mpp_score.decoder.bias", "decoder.bias"],
  ],
  answerClassifier: classifierNames("vqa_classifier"),
  pairClassifier: classifierNames("nlvr2_classifier"),
  rankHead: [
    ["rank_output.weight", "weight"],
    ["rank_output.bias", "bias"],
  ],
};

function classifierNames(prefix: string): (readonly [string, string])[] {
  const layers = { 0: "expand", 1: "layerNorm", 3: "output" };
  return Object.entries(layers).flatMap(([at, layer]) =>
    ["weight", "bias"].map((kind) => [`${prefix}.${at}.${kind}`, `${layer}.${kind}`] as const),
  );
}

/** Heads are stored in the shapes that they have here. */
function originalHeads(named: ReadonlyMap<string, Parameter>): PublishedWeight[] {
  return Object.entries(HEADS).flatMap(([field, weights]) =>
    weights.flatMap(([published, path]) => {
      const parameter = `${field}.${path}`;
      const shape = named.get(parameter)?.shape;
      return shape ? [{ published, shape, parameter }] : [];
    }),
  );
}

/** Entries that hold nothing to load: a table of 0, 1, 2 …, and another name of `mlm_score.bias`. */
const IGNORED = new Set(["text_embeddings.position_ids", "mlm_score.decoder.bias"]);
const headOf = (name: string) => name.slice(0, name.indexOf(".") + 1);
const HEAD_PREFIXES = new Set(Object.values(HEADS).map(([first]) => headOf(first![0])));

/** The names of the authors' code. */
export const originalLayout: WeightLayout = {
  name: "original",
  weights(model) {
    const named = model.namedParameters();
    const prefix = model instanceof Vilt ? "" : "backbone.";
    const backbone = originalBackbone(model.config).map((weight) => ({
      ...weight,
      parameter: prefix + weight.parameter,
    }));
    // A tied decoder and absent biases have no parameter of their own; neither have heads that this model lacks.
    return [...backbone, ...originalHeads(named)].filter(({ parameter }) => named.has(parameter));
  },
  find: (published) => published,
  mayBeLeft(name, known) {
    const head = headOf(name);
    return IGNORED.has(name) || (HEAD_PREFIXES.has(head) && ![...known].some((other) => other.startsWith(head)));
  },
};
