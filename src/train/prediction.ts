import { softmax } from "../autograd/functions/softmax.ts";
import { slice } from "../autograd/ops/layout.ts";
import { sigmoid } from "../autograd/ops/transcendental.ts";
import { collateImages } from "../data/batch.ts";
import type { RgbImage } from "../data/image.ts";
import { ImageProcessor } from "../data/image-processor.ts";
import type { Encoding, Tokenizer } from "../data/tokenizer.ts";
import { ConfigError, DataError } from "../tensor/errors.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { taskOf, type ViltTask, type ViltTaskModel } from "../vilt/huggingface.ts";
import { ViltForImagePairs } from "../vilt/image-pair-classification.ts";
import { ViltForMaskedLanguageModeling } from "../vilt/masked-language-modeling.ts";
import type { ViltInput } from "../vilt/model.ts";
import { ViltForQuestionAnswering } from "../vilt/question-answering.ts";
import { ViltForRetrieval } from "../vilt/retrieval.ts";
import { uploadPairs } from "./batches.ts";
import { modelOf, readCheckpoint } from "./checkpoint.ts";
import { compute } from "./compute.ts";
import { likeliest } from "./metrics.ts";
import { isModelFolder, openModelFolder } from "./model-folder.ts";

/** A model of a task with what makes its input. */
export interface Predictor {
  readonly model: ViltTaskModel;
  readonly tokenizer: Tokenizer;
  readonly imageProcessor: ImageProcessor;
  /** Of a classifier's classes. */
  readonly labels: readonly string[];
}

/** What a model says, the likeliest first. */
export interface Prediction {
  readonly task: ViltTask;
  /** One list; of masked words one for each [MASK]. Shares are in [0, 1]; of retrieval it is the score of the pair. */
  readonly says: readonly (readonly { readonly text: string; readonly share: number }[])[];
}

/**
 * Opens a checkpoint folder of Hugging Face Transformers for its task, or a run of pre-training for masked words.
 *
 * @throws {DataError} when the folder has no vocabulary
 */
export async function openPredictor(source: string): Promise<Predictor> {
  if (isModelFolder(source)) {
    const { tokenizer, ...folder } = await openModelFolder(source);
    if (!tokenizer)
      throw new DataError(`${source}: there is no vocab.txt or tokenizer.json, so its words are not known`);
    return { tokenizer, ...folder };
  }
  const { model, tokenizer } = modelOf(readCheckpoint(source));
  const { backbone, maskedLanguageModelingHead: head, config } = model;
  const forWords = new ViltForMaskedLanguageModeling(backbone, { rng: null }, head);
  return { model: forWords, tokenizer, imageProcessor: ImageProcessor.forModel(config), labels: [] };
}

export interface PredictionOptions {
  /** How many of the likeliest answers. */
  readonly count: number;
  /** Cut a text that is too long instead of refusing it. */
  readonly truncate?: boolean;
}

/**
 * What a model makes of one text with one picture, or with as many as the model takes.
 *
 * @throws {ConfigError} for another number of pictures, a text without [MASK] where words are asked for, or a model
 *   without a head
 */
export async function predict(
  { model, tokenizer, imageProcessor, labels }: Predictor,
  pictures: readonly RgbImage[],
  text: string,
  { count, truncate = false }: PredictionOptions,
): Promise<Prediction> {
  const task = taskOf(model);
  const wanted = model instanceof ViltForImagePairs ? model.backbone.config.modalityTypes - 1 : 1;
  if (pictures.length !== wanted)
    throw new ConfigError(`predict: a model for ${task} takes ${wanted} pictures, not ${pictures.length}`);
  const encoding = tokenizer.encode(text, { maxLength: model.config.maxTextLength, truncate, record: "predict" });
  const inputs = () =>
    pictures.map((picture) =>
      uploadPairs([encoding], collateImages([imageProcessor.prepare(picture)]), tokenizer.padId),
    );
  if (model instanceof ViltForMaskedLanguageModeling)
    return { task, says: await maskedWords(model, encoding, inputs, tokenizer, count) };
  const { shares } = await compute(() => ({ shares: sharesOf(model, inputs()) }));
  const names = model instanceof ViltForRetrieval ? ["score"] : labels;
  return {
    task,
    says: [likeliest([...shares], count).map(({ at, share }) => ({ text: names[at] ?? `class ${at}`, share }))],
  };
}

/** Probabilities of the classes: each for itself where several answers may be right. */
function sharesOf(model: Exclude<ViltTaskModel, ViltForMaskedLanguageModeling>, inputs: readonly ViltInput[]): Tensor {
  if (model instanceof ViltForImagePairs) return softmax(model.forward(inputs).logits);
  if (model instanceof ViltForQuestionAnswering) return sigmoid(model.forward(inputs[0]!).logits);
  if (model instanceof ViltForRetrieval) return model.forward(inputs[0]!).scores;
  throw new ConfigError("predict: the checkpoint is a backbone without a head; embed prints its vectors");
}

async function maskedWords(
  model: ViltForMaskedLanguageModeling,
  { ids }: Encoding,
  inputs: () => readonly ViltInput[],
  { maskId, vocabulary }: Tokenizer,
  count: number,
): Promise<{ text: string; share: number }[][]> {
  const places = ids.flatMap((id, at) => (id === maskId ? [at] : []));
  if (places.length === 0) throw new ConfigError("predict: the text has no [MASK] for this model to fill");
  const found = await compute(() => {
    const { logits } = model.forward(inputs()[0]!);
    return Object.fromEntries(places.map((at) => [String(at), softmax(slice(logits, 1, at, at + 1))]));
  });
  return places.map((at) =>
    likeliest([...found[String(at)]!], count).map((word) => ({ text: vocabulary[word.at]!, share: word.share })),
  );
}
