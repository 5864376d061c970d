import {
  collateImages,
  collateTexts,
  drawnPairs,
  type ImageBatch,
  padRows,
  previousRow,
  selectImages,
} from "../data/batch.ts";
import { type CaptionedImages, type Sample, trainingOrder } from "../data/dataset.ts";
import { IGNORED, maskTokens } from "../data/masking.ts";
import type { Encoding, Tokenizer } from "../data/tokenizer.ts";
import { fromArray, type Placement } from "../tensor/create.ts";
import { Rng } from "../tensor/rng.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { ViltInput } from "../vilt/model.ts";
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
}

export interface BatchOptions {
  readonly dataset: CaptionedImages;
  readonly tokenizer: Tokenizer;
  readonly settings: TrainingSettings;
  readonly maxTextLength: number;
  /** Cut captions that are too long; otherwise they are an error. */
  readonly truncate: boolean;
  readonly seed: number;
}

/** The batch of any step; it depends on the options and the step alone, so the data position of a run is its step. */
export class Batches {
  readonly #order: (position: number) => number;
  readonly #rng: Rng;

  constructor(readonly options: BatchOptions) {
    this.#rng = new Rng(options.seed).split("batches");
    this.#order = trainingOrder(options.dataset.size("train"), this.#rng.split("order"));
  }

  async at(step: number): Promise<HostBatch> {
    const { dataset, settings } = this.options;
    const progress = step / settings.steps;
    const draw = (index: number) => dataset.sample("train", index, { progress });
    const positions = Array.from({ length: settings.batchSize }, (_, b) => step * settings.batchSize + b);
    const samples = await Promise.all(positions.map((position) => draw(this.#order(position))));
    const rng = this.#rng.split(`step/${step}`);
    return { ...this.#texts(samples, rng), ...(await this.#images(samples, rng, draw)) };
  }

  #texts(samples: readonly Sample[], rng: Rng) {
    const { tokenizer, settings, maxTextLength: maxLength, truncate } = this.options;
    const encodings = samples.map(({ caption, record }) => tokenizer.encode(caption, { maxLength, truncate, record }));
    const masked = encodings.map((encoding: Encoding) =>
      maskTokens(encoding, tokenizer, { rng, probability: settings.maskProbability }),
    );
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

  async #images(samples: readonly Sample[], rng: Rng, draw: (index: number) => Sample | Promise<Sample>) {
    const { dataset, settings } = this.options;
    const { labels, imageOf, draws } =
      settings.pairing === "previous" ? previousRow(samples) : drawnPairs(samples.length, dataset.size("train"), rng);
    const pool = collateImages([...samples, ...(await Promise.all(draws.map(draw)))]);
    const own = samples.map((_, b) => b);
    return { images: selectImages(pool, own), matchingImages: selectImages(pool, imageOf), matchingLabels: labels };
  }
}

/** Pictures on the device, with a mask only where there is padding. */
export function uploadImages(
  { pixelValues, pixelMask, size, height, width }: ImageBatch,
  placement: Placement = {},
): { pixelValues: Tensor; pixelMask?: Int32Array } {
  const values = fromArray(pixelValues, [size, 3, height, width], placement);
  return { pixelValues: values, ...(pixelMask.includes(0) && { pixelMask }) };
}

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
