import { collateImages, type ImageBatch } from "../../data/batch.ts";
import type { SampleOptions, TextNeeds } from "../../data/dataset.ts";
import type { PlanarImage } from "../../data/image.ts";
import { randAugment } from "../../data/rand-augment.ts";
import type { Tokenizer } from "../../data/tokenizer.ts";
import { Rng } from "../../tensor/rng.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import type { ImageTextMatchingHead } from "../../vilt/heads/image-text-matching.ts";
import type { ViltTaskModel } from "../../vilt/huggingface.ts";
import type { Vilt, ViltInput } from "../../vilt/model.ts";
import { uploadPairs } from "../batches.ts";
import type { Score } from "../evaluation/context.ts";
import type { FineTuningSettings } from "./settings.ts";

/** What a model is given to see; a baseline lacks one of the two. */
export interface Sees {
  readonly pictures: boolean;
  readonly texts: boolean;
}

/** What the parts of a fine-tuning share. */
export interface TaskContext {
  readonly tokenizer: Tokenizer;
  readonly maxTextLength: number;
  /** Cut texts that are too long; otherwise they are an error. */
  readonly truncate: boolean;
  readonly settings: FineTuningSettings;
  readonly seed: number;
  readonly sees: Sees;
}

/** Scores by what was asked. */
export type TaskScores = Readonly<Record<string, Score>>;

/** A model that is fine-tuned for a task, with the data of the task. */
export interface Trainee {
  readonly model: ViltTaskModel;
  /** Draws the batch of a step and answers what computes its loss. It depends on the step and the seed alone. */
  prepare(step: number): Promise<(rng: Rng) => Tensor>;
  /** Scores on the first `samples` examples of a split. */
  evaluate(split: string, samples: number): Promise<TaskScores>;
  /** HTML figures of what the model makes of the first examples of a split. */
  figures(split: string, count: number): Promise<string[]>;
}

/** A task with its data. */
export interface FineTuningTask {
  readonly dataName: string;
  readonly splits: readonly string[];
  size(split: string): number;
  readonly needs?: TextNeeds;
  texts(): Iterable<{ readonly text: string; readonly record: string }>;
  /** The score that says most. */
  readonly headline: string;
  /** Of the classes of the model; empty where it has none. */
  readonly labels: readonly string[];
  /** Rows of the table of modality types: one for the text and one for each picture. */
  readonly modalityTypes: number;
  /** Multiple of the learning rate for a new classifier (specification §6). */
  readonly headMultiplier: number;
  /** @param matchingHead of the pre-training, where the foundation has one */
  trainee(start: TraineeStart, context: TaskContext): Trainee;
}

export interface TraineeStart {
  readonly backbone: Vilt;
  readonly matchingHead: ImageTextMatchingHead | null;
  /** Draws a new head. */
  readonly rng: Rng;
}

/** The model's input for texts with pictures: without what it must not see, all pictures are grey or all texts empty. */
export function taskInput(
  texts: readonly { readonly text: string; readonly record: string }[],
  pictures: readonly PlanarImage[] | ImageBatch,
  { tokenizer, maxTextLength: maxLength, truncate, sees }: TaskContext,
): ViltInput {
  const empty = { ids: [tokenizer.clsId, tokenizer.sepId] };
  const encodings = texts.map(({ text, record }) =>
    sees.texts ? tokenizer.encode(text, { maxLength, truncate, record }) : empty,
  );
  const images = "pixelValues" in pictures ? pictures : collateImages(pictures);
  const seen = sees.pictures ? images : { ...images, pixelValues: new Float32Array(images.pixelValues.length) };
  return uploadPairs(encodings, seen, tokenizer.padId);
}

/** How examples of a step of training are drawn: all augmented anew in each step, if they are at all. */
export function trainingOptions(step: number, index: number, { settings, seed }: TaskContext): SampleOptions {
  const { randAugment: augmentation } = settings;
  if (!augmentation) return {};
  const rng = () => new Rng(seed).split(`fine-tuning/step/${step}/augment/${index}`);
  return { augment: (picture) => randAugment(picture, { ...augmentation, rng: rng() }) };
}
