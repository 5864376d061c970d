import * as z from "zod/mini";
import type { LayerOptions } from "../nn/init.ts";
import type { Module } from "../nn/module.ts";
import { DataError } from "../tensor/errors.ts";
import { count, expectSchema } from "../tensor/expect-schema.ts";
import { parseViltConfig, type ViltConfig } from "./config.ts";
import { ViltForImagePairs } from "./image-pair-classification.ts";
import { ViltForMaskedLanguageModeling } from "./masked-language-modeling.ts";
import { Vilt } from "./model.ts";
import { ViltForQuestionAnswering } from "./question-answering.ts";
import { ViltForRetrieval } from "./retrieval.ts";

const schema = z.looseObject({
  model_type: z.literal("vilt"),
  vocab_size: z._default(count, 30522),
  type_vocab_size: z._default(count, 2),
  modality_type_vocab_size: z._default(count, 2),
  max_position_embeddings: z._default(count, 40),
  hidden_size: z._default(count, 768),
  num_hidden_layers: z._default(count, 12),
  num_attention_heads: z._default(count, 12),
  intermediate_size: z._default(count, 3072),
  hidden_act: z._default(z.literal("gelu"), "gelu"),
  hidden_dropout_prob: z._default(z.number(), 0),
  layer_norm_eps: z._default(z.number(), 1e-12),
  image_size: z._default(z.union([count, z.tuple([count, count])]), 384),
  patch_size: z._default(z.union([count, z.tuple([count, count])]), 32),
  num_channels: z._default(count, 3),
  qkv_bias: z._default(z.boolean(), true),
  max_image_length: z._default(z.int(), -1),
  num_images: z._default(z.int(), -1),
  id2label: z.optional(z.record(z.string(), z.string())),
});

/** What `config.json` of a Hugging Face checkpoint says. */
export interface HuggingfaceConfig {
  readonly model: ViltConfig;
  /** Of a classifier, in the order of the classes; empty without one. */
  readonly labels: readonly string[];
  readonly numImages: number;
}

/** @throws {DataError} naming `source` and every field that does not fit */
export function parseHuggingfaceConfig(json: unknown, source = "config.json"): HuggingfaceConfig {
  const data = expectSchema(schema, json, source);
  const { image_size: image, patch_size: patch } = data;
  const [patchSize, other] = typeof patch === "number" ? [patch, patch] : patch;
  if (patchSize !== other) throw new DataError(`${source}: patches of ${patchSize}×${other} are not square`);
  const model = parseViltConfig(
    {
      ...{ hiddenSize: data.hidden_size, numLayers: data.num_hidden_layers, numHeads: data.num_attention_heads },
      mlpRatio: data.intermediate_size / data.hidden_size,
      ...{ vocabularySize: data.vocab_size, maxTextLength: data.max_position_embeddings },
      ...{ segmentTypes: data.type_vocab_size, modalityTypes: data.modality_type_vocab_size },
      imageSize: typeof image === "number" ? [image, image] : image,
      ...{ patchSize, numChannels: data.num_channels, dropout: data.hidden_dropout_prob },
      maxImageLength: data.max_image_length < 0 ? null : data.max_image_length,
      ...{ queryKeyValueBias: data.qkv_bias, encoderEps: data.layer_norm_eps, textEps: data.layer_norm_eps },
    },
    source,
  );
  const labels = Object.entries(data.id2label ?? {}).sort(([a], [b]) => Number(a) - Number(b));
  return { model, labels: labels.map(([, label]) => label), numImages: data.num_images };
}

/** Classes of the library, by what the model is for. */
const ARCHITECTURES = {
  base: "ViltModel",
  "masked-words": "ViltForMaskedLM",
  "question-answering": "ViltForQuestionAnswering",
  "image-pairs": "ViltForImagesAndTextClassification",
  retrieval: "ViltForImageAndTextRetrieval",
} as const;
export type ViltTask = keyof typeof ARCHITECTURES;
/** A model of any task, or a backbone alone. */
export type ViltTaskModel =
  | Vilt
  | ViltForMaskedLanguageModeling
  | ViltForQuestionAnswering
  | ViltForImagePairs
  | ViltForRetrieval;

export function taskOf(model: ViltTaskModel): ViltTask {
  if (model instanceof ViltForMaskedLanguageModeling) return "masked-words";
  if (model instanceof ViltForQuestionAnswering) return "question-answering";
  if (model instanceof ViltForImagePairs) return "image-pairs";
  return model instanceof ViltForRetrieval ? "retrieval" : "base";
}

/**
 * The model that a file holds, by the names of its tensors: the class that `architectures` states is not reliable.
 *
 * @param shapes of the file's tensors
 */
export function buildHuggingfaceModel(
  { model: config, labels, numImages }: HuggingfaceConfig,
  shapes: ReadonlyMap<string, { readonly shape: readonly number[] }>,
  options: LayerOptions,
): ViltTaskModel {
  const has = (prefix: string) => [...shapes.keys()].some((name) => name.startsWith(prefix));
  const tied = has("mlm_score.") && !shapes.has("mlm_score.decoder.weight");
  const backbone = new Vilt({ ...config, tieWordEmbeddings: tied }, options);
  if (has("mlm_score.")) return new ViltForMaskedLanguageModeling(backbone, options);
  if (has("rank_output.")) return new ViltForRetrieval(backbone, options);
  if (!has("classifier.")) return backbone;
  const numClasses = shapes.get("classifier.3.bias")?.shape[0] ?? labels.length;
  if (numImages > 0) return new ViltForImagePairs(backbone, options, { numImages, numClasses });
  return new ViltForQuestionAnswering(backbone, numClasses, options);
}

/** `config.json` for a model. @param labels of its classifier */
export function huggingfaceConfigOf(
  model: ViltTaskModel & Module,
  labels: readonly string[] = [],
): Record<string, unknown> {
  const { config } = model;
  const task = taskOf(model);
  const [height, width] = config.imageSize;
  return {
    architectures: [ARCHITECTURES[task]],
    model_type: "vilt",
    ...{ vocab_size: config.vocabularySize, max_position_embeddings: config.maxTextLength },
    ...{ type_vocab_size: config.segmentTypes, modality_type_vocab_size: config.modalityTypes },
    ...{ hidden_size: config.hiddenSize, num_hidden_layers: config.numLayers, num_attention_heads: config.numHeads },
    intermediate_size: Math.round(config.hiddenSize * config.mlpRatio),
    ...{ hidden_act: "gelu", hidden_dropout_prob: config.dropout, attention_probs_dropout_prob: 0 },
    ...{ initializer_range: 0.02, layer_norm_eps: config.encoderEps },
    image_size: height === width ? height : [height, width],
    ...{ patch_size: config.patchSize, num_channels: config.numChannels, qkv_bias: config.queryKeyValueBias },
    ...{ max_image_length: config.maxImageLength ?? -1, tie_word_embeddings: config.tieWordEmbeddings },
    num_images: task === "image-pairs" ? 2 : -1,
    ...(labels.length > 0 && {
      id2label: Object.fromEntries(labels.map((label, i) => [String(i), label])),
      label2id: Object.fromEntries(labels.map((label, i) => [label, i])),
    }),
  };
}
