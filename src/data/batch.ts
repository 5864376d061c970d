import { DataError } from "../tensor/errors.ts";
import type { Rng } from "../tensor/rng.ts";
import type { Sample } from "./dataset.ts";
import type { PlanarImage } from "./image.ts";

/** Pictures of one batch, zero-padded at the right and below to the largest height and width. */
export interface ImageBatch {
  /** [B, 3, height, width] */
  readonly pixelValues: Float32Array;
  /** [B, height, width], 1 where the picture is and 0 in the padding. */
  readonly pixelMask: Int32Array;
  /** Whether a 0 may stand in the mask. */
  readonly isPadded: boolean;
  readonly size: number;
  readonly height: number;
  readonly width: number;
}

/** Captions of one batch, padded to the longest of them. */
export interface TextBatch {
  /** [B, length] */
  readonly ids: Int32Array;
  /** [B, length], 1 = token and 0 = padding. */
  readonly textMask: Int32Array;
  readonly size: number;
  /** T: tokens of the longest caption, [CLS] and [SEP] included. */
  readonly length: number;
}

/** A batch as the model takes it, in plain arrays. */
export interface Batch extends ImageBatch, TextBatch {}

/** @throws {DataError} for an empty batch, or a picture whose numbers do not fill its size */
export function collate(samples: readonly (PlanarImage & { readonly ids: readonly number[] })[], padId: number): Batch {
  return {
    ...collateImages(samples),
    ...collateTexts(
      samples.map(({ ids }) => ids),
      padId,
    ),
  };
}

/** Padding is exactly 0 in the pixels, as after normalisation in the original. */
export function collateImages(images: readonly PlanarImage[]): ImageBatch {
  if (images.length === 0) throw new DataError("collateImages: the batch is empty");
  const height = Math.max(...images.map((image) => image.height));
  const width = Math.max(...images.map((image) => image.width));
  const pixelValues = new Float32Array(images.length * 3 * height * width);
  const pixelMask = new Int32Array(images.length * height * width);
  for (const [b, { image, height: h, width: w }] of images.entries()) {
    if (image.length !== 3 * h * w)
      throw new DataError(`collateImages: picture ${b} has ${image.length} numbers, 3×${h}×${w} were expected`);
    for (let row = 0; row < h; row++) {
      const start = (b * height + row) * width;
      pixelMask.fill(1, start, start + w);
      for (let c = 0; c < 3; c++) {
        const from = (c * h + row) * w;
        pixelValues.set(image.subarray(from, from + w), ((b * 3 + c) * height + row) * width);
      }
    }
  }
  const isPadded = images.some((image) => image.height < height || image.width < width);
  return { pixelValues, pixelMask, isPadded, size: images.length, height, width };
}

export function collateTexts(rows: readonly (readonly number[])[], padId: number): TextBatch {
  const { values, length } = padRows(rows, padId);
  const { values: textMask } = padRows(
    rows.map((row) => row.map(() => 1)),
    0,
  );
  return { ids: values, textMask, size: rows.length, length };
}

/** Rows of unequal length as one [B, length] array; labels are padded with −100 by this as well. */
export function padRows(rows: readonly (readonly number[])[], fill: number): { values: Int32Array; length: number } {
  if (rows.length === 0) throw new DataError("padRows: the batch is empty");
  const length = Math.max(...rows.map((row) => row.length));
  const values = new Int32Array(rows.length * length).fill(fill);
  for (const [b, row] of rows.entries()) values.set(row, b * length);
  return { values, length };
}

/** The pictures of the given rows, in that order; a row may come more than once. All, as they are, are not copied. */
export function selectImages(images: ImageBatch, rows: readonly number[]): ImageBatch {
  const { pixelValues, pixelMask, isPadded, size, height, width } = images;
  if (rows.length === size && rows.every((row, b) => row === b)) return images;
  const area = height * width;
  const values = new Float32Array(rows.length * 3 * area);
  const mask = new Int32Array(rows.length * area);
  for (const [b, row] of rows.entries()) {
    values.set(pixelValues.subarray(3 * row * area, 3 * (row + 1) * area), 3 * b * area);
    mask.set(pixelMask.subarray(row * area, (row + 1) * area), b * area);
  }
  return { pixelValues: values, pixelMask: mask, isPadded, size: rows.length, height, width };
}

/** Which picture stands beside each caption in image–text matching. */
export interface MatchingPairs {
  /** [B], 1 = the picture belongs to the caption. */
  readonly labels: Int32Array;
  /** Per caption, the row of its picture in the list: pictures of the batch, then those of `draws`. */
  readonly imageOf: number[];
  /** Indices, in the data set, of the pictures that are needed beside those of the batch. */
  readonly draws: number[];
}

/** Whether a caption is true of another sample's picture too: it is the same picture, or everything named is in it. */
export function captionFits(caption: Sample, picture: Sample): boolean {
  if (caption.picture === picture.picture) return true;
  if (!caption.things || !picture.things) return false;
  const shown = new Set(picture.things.map(({ noun, color }) => `${color} ${noun}`));
  return caption.things.every(({ noun, color }) => shown.has(`${color} ${noun}`));
}

/**
 * The first ⌊B/2⌋ captions keep their picture; each other one takes that of the row before it, or of the nearest row
 * further back whose picture does not fit the caption as well. Where all fit, the pair keeps its picture and counts as
 * matched: no pair is labelled falsely.
 */
export function previousRow(samples: readonly Sample[]): MatchingPairs {
  const B = samples.length;
  const half = Math.floor(B / 2);
  const imageOf = samples.map((caption, b) => {
    if (b < half) return b;
    for (let back = 1; back < B; back++) {
      const row = (b - back + B) % B;
      if (!captionFits(caption, samples[row]!)) return row;
    }
    return b;
  });
  return { labels: Int32Array.from(imageOf, (row, b) => (row === b ? 1 : 0)), imageOf, draws: [] };
}

/**
 * As the original: ⌊B/2⌋ matched pairs in random places; every other caption takes the picture of a sample drawn
 * uniformly from the data set, which may happen to fit (there is no check there either).
 *
 * @param datasetSize number of samples to draw from; of an endless data set, one of the first 2³² is drawn
 */
export function drawnPairs(B: number, datasetSize: number, rng: Rng): MatchingPairs {
  const matched = Array.from({ length: B }, (_, b) => b < Math.floor(B / 2));
  const labels = Int32Array.from(rng.shuffle(matched), Number);
  const draws: number[] = [];
  const imageOf = Array.from(labels, (label, b) => {
    if (label) return b;
    draws.push(datasetSize === Infinity ? rng.bits() : rng.int(datasetSize));
    return B + draws.length - 1;
  });
  return { labels, imageOf, draws };
}
