import type { Parameter } from "../autograd/graph.ts";
import { type HostArray, type Module, problemsOf, setParameter } from "../nn/module.ts";
import type { TypedArray } from "../tensor/dtype.ts";
import { DataError, formatShape } from "../tensor/errors.ts";
import type { ViltConfig } from "./config.ts";
import { Vilt } from "./model.ts";

/** A published tensor and the parameter whose values it holds, in the same order under another shape. */
export interface PublishedWeight {
  readonly published: string;
  readonly shape: readonly number[];
  /** Dotted path, from the backbone or from a model with heads. */
  readonly parameter: string;
}

/** Model that can be loaded: a backbone, or one with heads that holds it in a field `backbone`. */
type Loadable = Module & { readonly config: ViltConfig };

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

/** Entries of published files that hold nothing to load: a table of 0, 1, 2 …, and another name of `mlm_score.bias`. */
const IGNORED = new Set(["text_embeddings.position_ids", "mlm_score.decoder.bias"]);
/** Heads of tasks; one that the model does not have is left out. */
const HEAD_PREFIXES = new Set(Object.values(HEADS).map(([first]) => first![0].slice(0, first![0].indexOf(".") + 1)));

/** The names of a model's parameters in the files of the authors' code, in their order. */
export function publishedNames(model: Loadable): PublishedWeight[] {
  const named = model.namedParameters();
  const prefix = model instanceof Vilt ? "" : "backbone.";
  const backbone = originalBackbone(model.config).map((weight) => ({
    ...weight,
    parameter: prefix + weight.parameter,
  }));
  // A tied decoder and absent biases have no parameter of their own; neither have heads that this model lacks.
  return [...backbone, ...originalHeads(named)].filter(({ parameter }) => named.has(parameter));
}

/**
 * Replaces every parameter of the model by published weights.
 *
 * @param source what errors name, a file
 * @throws {DataError} that lists all missing and unexpected tensors and wrong shapes, and names weights that are not
 *   finite; the model is then unchanged
 */
export function loadPublishedWeights(
  model: Loadable,
  tensors: ReadonlyMap<string, HostArray>,
  source = "weights",
): void {
  const names = publishedNames(model);
  const known = new Set(names.map(({ published }) => published));
  const ofOtherTask = (name: string) =>
    HEAD_PREFIXES.has(name.slice(0, name.indexOf(".") + 1)) && !sharesHead(name, known);
  const problems = names.flatMap(({ published, shape }) => {
    const tensor = tensors.get(published);
    return tensor ? problemsOf(published, tensor, shape) : [`missing ${published} ${formatShape(shape)}`];
  });
  for (const [name, { shape }] of tensors)
    if (!known.has(name) && !IGNORED.has(name) && !ofOtherTask(name))
      problems.push(`unexpected ${name} ${formatShape(shape)}`);
  if (problems.length) throw new DataError(`${source}: ${problems.join("; ")}`);
  const parameters = model.namedParameters();
  for (const { published, parameter } of names) setParameter(parameters.get(parameter)!, tensors.get(published)!);
}

/** Whether the model has the head that `name` belongs to. */
function sharesHead(name: string, known: ReadonlySet<string>): boolean {
  const head = name.slice(0, name.indexOf(".") + 1);
  return [...known].some((other) => other.startsWith(head));
}

/** The model's weights, or what `read` gives of each parameter, under their published names and shapes. */
export function publishedWeights(
  model: Loadable,
  read: (parameter: Parameter) => TypedArray = ({ value }) => value.dataSync(),
): Map<string, { shape: readonly number[]; data: TypedArray }> {
  const parameters = model.namedParameters();
  return new Map(
    publishedNames(model).map(({ published, shape, parameter }) => [
      published,
      { shape, data: read(parameters.get(parameter)!) },
    ]),
  );
}
