import { existsSync, statSync } from "node:fs";
import { noGrad } from "../autograd/graph.ts";
import { concat, slice } from "../autograd/ops/layout.ts";
import type { Module } from "../nn/module.ts";
import type { Placement } from "../tensor/create.ts";
import { DataError, formatShape } from "../tensor/errors.ts";
import { sameShape } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { ViltConfig } from "../vilt/config.ts";
import type { ViltTask } from "../vilt/huggingface.ts";
import { Vilt } from "../vilt/model.ts";
import { modelOf, readCheckpoint } from "./checkpoint.ts";
import { isModelFolder, openModelFolder } from "./model-folder.ts";

/** A trained model to start from, instead of random weights. */
export interface Foundation {
  /** The folder or file that it was read from. */
  readonly source: string;
  /** What its head is for. */
  readonly task: ViltTask | "pre-training";
  readonly config: ViltConfig;
  readonly vocabulary: readonly string[];
  /** What its classifier chooses among; empty without one. */
  readonly labels: readonly string[];
  /** By their names in `ViltForPretraining` or in a model of a task; those of the backbone start with `backbone.`. */
  readonly weights: ReadonlyMap<string, Tensor>;
}

/**
 * Opens what was trained: a run folder or checkpoint file of pre-training, or a checkpoint folder of Hugging Face
 * Transformers.
 *
 * @throws {DataError} when it can be read as neither, or has no vocabulary or one of another size
 */
export async function readFoundation(source: string, placement?: Placement): Promise<Foundation> {
  const isFolder = existsSync(source) && statSync(source).isDirectory();
  if (isFolder && isModelFolder(source)) return readModelFolder(source, placement);
  const checkpoint = readCheckpoint(source);
  const { model } = modelOf(checkpoint, placement);
  const { vocabulary } = checkpoint.state;
  return { source, task: "pre-training", config: model.config, vocabulary, labels: [], weights: weightsOf(model) };
}

async function readModelFolder(source: string, placement?: Placement): Promise<Foundation> {
  const { model, tokenizer, labels, task } = await openModelFolder(source, placement);
  if (!tokenizer) throw new DataError(`${source}: there is no vocab.txt or tokenizer.json, so its words are not known`);
  const { vocabulary } = tokenizer;
  if (vocabulary.length !== model.config.vocabularySize)
    throw new DataError(
      `${source}: the vocabulary has ${vocabulary.length} tokens, the model ${model.config.vocabularySize}`,
    );
  const prefix = model instanceof Vilt ? "backbone." : "";
  return { source, task, config: model.config, vocabulary, labels, weights: weightsOf(model, prefix) };
}

const weightsOf = (model: Module, prefix = "") =>
  new Map([...model.namedParameters()].map(([name, { value }]) => [prefix + name, value] as const));

/**
 * Copies the weights that a model has under the same names; what it has besides stays as it was drawn. Where a table of
 * the model has more rows, for new words or places, the first ones are copied.
 *
 * @param prefix of the names in the foundation, for a part of a model
 * @throws {DataError} for a weight of another shape
 */
export function adopt(model: Module, { source, weights }: Foundation, prefix = ""): void {
  for (const [name, parameter] of model.namedParameters()) {
    const weight = weights.get(prefix + name);
    if (!weight) continue;
    const [rows, ...rest] = weight.shape;
    if (!sameShape(rest, parameter.shape.slice(1)) || rows! > parameter.shape[0]!)
      throw new DataError(
        `${source}: ${name} is ${formatShape(weight.shape)}, which does not go into ${formatShape(parameter.shape)}`,
      );
    parameter.value = noGrad(() =>
      rows === parameter.shape[0] ? weight : concat([weight, slice(parameter.value, 0, rows!, parameter.shape[0]!)], 0),
    );
  }
}
