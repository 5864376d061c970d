import {
  collateImages,
  collateTexts,
  drawnPairs,
  type ImageBatch,
  padRows,
  previousRow,
  selectImages,
} from "../data/batch.ts";
import { chineseContinuations, hasIdeograph, type Segmenter } from "../data/chinese-words.ts";
import {
  type CaptionedImages,
  checkNotEmpty,
  type Sample,
  type SampleOptions,
  trainingOrder,
} from "../data/dataset.ts";
import { IGNORED, maskTokens } from "../data/masking.ts";
import { randAugment } from "../data/rand-augment.ts";
import type { Encoding, Tokenizer } from "../data/tokenizer.ts";
import { fromArray, type Placement } from "../tensor/create.ts";
import { Rng } from "../tensor/rng.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { ViltInput } from "../vilt/model.ts";
import { drawMaskedPatches, patchBrightness } from "../vilt/objectives/masked-patch-prediction.ts";
import { patchGrid } from "../vilt/patch-mask.ts";
import type { PretrainingBatch } from "../vilt/pretraining.ts";
import type { TrainingSettings } from "./settings.ts";

/** A pre-training batch on the host; `uploadBatch` makes the model's own of it. */
export interface HostBatch {
  readonly texts: { readonly ids: Int32Array; readonly textMask: Int32Array };
  readonly maskedIds: Int32Array;
  readonly maskedLabels: Int32Array;
  readonly images: ImageBatch;
  readonly matchingImages: ImageBatch;
  readonly matchingLabels: Int32Array;
  readonly maskedPatches?: PretrainingBatch["maskedPatches"];
}

export interface BatchOptions {
  readonly dataset: CaptionedImages;
  readonly tokenizer: Tokenizer;
  readonly settings: TrainingSettings;
  readonly maxTextLength: number;
  /** Side of a patch in pixels, for masked patches. */
  readonly patchSize: number;
  /** Cut captions that are too long; otherwise they are an error. */
  readonly truncate: boolean;
  /** Says what the words of captions with ideographs are, which are then masked whole. */
  readonly segment?: Segmenter;
  readonly seed: number;
}

/** The batch of any step; it depends on the options and the step alone, so the data position of a run is its step. */
export class Batches {
  readonly #order: (position: number) => number;
  readonly #rng: Rng;

  constructor(readonly options: BatchOptions) {
    this.#rng = new Rng(options.seed).split("batches");
    checkNotEmpty(options.dataset, "train");
    this.#order = trainingOrder(options.dataset.size("train"), this.#rng.split("order"));
  }

  async at(step: number): Promise<HostBatch> {
    const { dataset, settings } = this.options;
    const { batchSize } = settings;
    const draw = (index: number) => dataset.sample("train", index, this.#sampleOptions(step, index));
    const indices = Array.from({ length: batchSize }, (_, b) => this.#order(step * batchSize + b));
    const samples = await Promise.all(indices.map(draw));
    const rng = this.#rng.split(`step/${step}`);
    const texts = this.#texts(samples, rng);
    const pairs =
      settings.pairing === "previous" ? previousRow(samples) : drawnPairs(batchSize, dataset.size("train"), rng);
    const others: Sample[] = await Promise.all(pairs.draws.map(draw));
    const imageOf = pairs.imageOf.map((row, b) => {
      const hard = pairs.labels[b] === 0 ? this.#hardNegative(step, indices[b]!, rng) : null;
      return hard ? batchSize + others.push(hard) - 1 : row;
    });
    const pool = collateImages([...samples, ...others]);
    const own = samples.map((_, b) => b);
    const images = selectImages(pool, own);
    return {
      ...texts,
      ...{ images, matchingImages: selectImages(pool, imageOf), matchingLabels: pairs.labels },
      ...(settings.maskedPatches && { maskedPatches: this.#maskedPatches(images, rng) }),
    };
  }

  #maskedPatches({ pixelValues, size, height, width }: ImageBatch, rng: Rng): PretrainingBatch["maskedPatches"] {
    const { patchSize } = this.options;
    const [rows, columns] = patchGrid({ height, width, patchSize });
    const brightness = patchBrightness(pixelValues, [size, 3, height, width], patchSize);
    return { ...drawMaskedPatches(size * rows * columns, rng), brightness };
  }

  /** A sample is augmented alike wherever it stands in a step, so that a hard negative differs in its one point alone. */
  #sampleOptions(step: number, index: number): SampleOptions {
    const { settings } = this.options;
    const progress = step / settings.steps;
    const { randAugment: augmentation } = settings;
    if (!augmentation) return { progress };
    const drawn = () => ({ ...augmentation, rng: this.#rng.split(`step/${step}/augment/${index}`) });
    return { progress, augment: (picture) => randAugment(picture, drawn()) };
  }

  /** The picture of a sample with one point changed, for the part of the pairs that the settings ask for. */
  #hardNegative(step: number, index: number, rng: Rng): Sample | null {
    const { dataset, settings } = this.options;
    if (step / settings.steps < 0.5 || settings.hardNegatives === 0 || !dataset.changes) return null;
    if (!rng.bernoulli(settings.hardNegatives)) return null;
    return (
      dataset.hardNegative?.(rng.choice(dataset.changes), "train", index, this.#sampleOptions(step, index)) ?? null
    );
  }

  #texts(samples: readonly Sample[], rng: Rng) {
    const { tokenizer, settings, maxTextLength: maxLength, truncate, segment } = this.options;
    const encodings = samples.map(({ caption, record }) => tokenizer.encode(caption, { maxLength, truncate, record }));
    const masked = encodings.map((encoding: Encoding, b) => {
      const { caption } = samples[b]!;
      const continuations = segment && hasIdeograph(caption) && chineseContinuations(encoding.tokens, segment(caption));
      return maskTokens(encoding, tokenizer, {
        ...{ rng, probability: settings.maskProbability, wholeWords: settings.wholeWords },
        ...(continuations && { continuations }),
      });
    });
    const texts = collateTexts(
      encodings.map(({ ids }) => ids),
      tokenizer.padId,
    );
    const maskedIds = padRows(
      masked.map(({ ids }) => ids),
      tokenizer.padId,
    ).values;
    return {
      texts,
      maskedIds,
      maskedLabels: padRows(
        masked.map(({ labels }) => labels),
        IGNORED,
      ).values,
    };
  }
}

/** Pictures on the device, with a mask only where there is padding. */
export function uploadImages(
  { pixelValues, pixelMask, isPadded, size, height, width }: ImageBatch,
  placement: Placement = {},
): { pixelValues: Tensor; pixelMask?: Int32Array } {
  const values = fromArray(pixelValues, [size, 3, height, width], placement);
  return { pixelValues: values, ...(isPadded && { pixelMask }) };
}

/** A pre-training batch on the device. */
export function uploadBatch(
  { texts, images, matchingImages, ...rest }: HostBatch,
  placement?: Placement,
): PretrainingBatch {
  const { pixelValues, pixelMask } = uploadImages(images, placement);
  const matching = uploadImages(matchingImages, placement);
  return {
    ...{ ...texts, ...rest, pixelValues, matchingPixelValues: matching.pixelValues },
    ...(pixelMask && { pixelMask }),
    ...(matching.pixelMask && { matchingPixelMask: matching.pixelMask }),
  };
}

/** The model's input for pairs of captions and pictures. */
export function uploadPairs(
  encodings: readonly { readonly ids: readonly number[] }[],
  images: ImageBatch,
  padId: number,
  placement?: Placement,
): ViltInput {
  const { ids, textMask } = collateTexts(
    encodings.map((encoding) => encoding.ids),
    padId,
  );
  return { ids, textMask, ...uploadImages(images, placement) };
}
