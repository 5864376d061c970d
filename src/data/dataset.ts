import { DataError } from "../tensor/errors.ts";
import type { Rng } from "../tensor/rng.ts";
import type { RgbImage } from "./image.ts";

/** A rectangle in pixels; x counts columns from the left, y rows from the top. */
export interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** Something that the picture shows and the caption names. */
export interface Thing {
  readonly noun: string;
  /** Said right before the noun, where the caption says it. */
  readonly color?: string;
  readonly box: Box;
  /** [start, end): where the noun stands among the words of the caption, which are what whitespace separates. */
  readonly words: readonly [number, number];
}

/** One picture with one caption: what training and evaluation know of a data set. */
export interface Sample {
  /** [3, height, width], each number value · 2 − 1 of a value in [0, 1]. */
  readonly image: Float32Array;
  readonly height: number;
  readonly width: number;
  readonly caption: string;
  /** Which picture it is: samples of one picture with several captions share it. */
  readonly picture: string;
  /** Where the data set knows them, in the order in which the caption names them. */
  readonly things?: readonly Thing[];
  /** What an error message calls this sample, such as a file and a line. */
  readonly record: string;
}

export interface SampleOptions {
  /** The part of training that is done, in [0, 1], for data sets with a curriculum; 1 when not said. */
  readonly progress?: number;
  /**
   * Changes the 8-bit picture in its own size, before it takes the model's: a function of the picture alone, that leaves
   * it as it is. Boxes of things stay where they were before the change.
   */
  readonly augment?: (picture: RgbImage) => RgbImage;
}

/**
 * Pictures with captions, by split and index. `sample` depends on its arguments alone, so the data position of a run is
 * a plain number and a resumed run sees what an uninterrupted one would have seen.
 */
export interface CaptionedImages {
  readonly name: string;
  readonly splits: readonly string[];
  /** Number of samples; `Infinity` where they are drawn on demand. @throws {DataError} for a split that does not exist */
  size(split: string): number;
  /** @param index whole number in [0, size(split)) */
  sample(split: string, index: number, options?: SampleOptions): Sample | Promise<Sample>;
  /** Of captions that are drawn. */
  readonly needs?: TextNeeds;
  /** Every caption of every split, where they are finitely many: what can be checked before training begins. */
  captions?(): Iterable<Pick<Sample, "caption" | "record">>;
  /** What can be changed in a picture so that its caption becomes false in that one point; none where it is not said. */
  readonly changes?: readonly string[];
  /**
   * Sample `index` with its picture changed in that way: the caption of the original is false of it, a hard negative.
   * Null where the caption states nothing of that kind.
   */
  hardNegative?(change: string, split: string, index: number, options?: SampleOptions): Sample | null;
  /** The tokens of a WordPiece vocabulary for these captions, special tokens first, at most `maxSize` of them. */
  vocabulary(maxSize: number): string[];
}

/** What texts that are drawn need of a model. */
export interface TextNeeds {
  /** Every word that occurs, one that is cut into pieces as the list of them. */
  readonly words: readonly (string | readonly string[])[];
  /** Tokens of the longest text, [CLS] and [SEP] included. */
  readonly length: number;
}

/** @throws {DataError} naming the splits there are */
export function checkSplit(dataset: Pick<CaptionedImages, "name" | "splits">, split: string): void {
  if (!dataset.splits.includes(split))
    throw new DataError(`${dataset.name}: no split "${split}"; there are ${dataset.splits.join(", ")}`);
}

/**
 * @param what the split should have, in an error message
 * @throws {DataError} for a split that does not exist or has nothing in it
 */
export function checkNotEmpty(dataset: Pick<CaptionedImages, "name" | "size">, split: string, what = "samples"): void {
  if (dataset.size(split) === 0) throw new DataError(`${dataset.name}: the split "${split}" has no ${what}`);
}

/** @throws {DataError} unless `index` is a whole number in [0, size) */
export function checkIndex(dataset: Pick<CaptionedImages, "name" | "size">, split: string, index: number): void {
  const size = dataset.size(split);
  if (!Number.isInteger(index) || index < 0 || index >= size)
    throw new DataError(`${dataset.name}: no sample ${index} in split "${split}"; it has ${size}`);
}

/**
 * The sample index at each position of a training run: the position itself where samples never run out, otherwise a
 * new permutation of all samples in each epoch. It depends on `rng`'s seed and the position alone. Of no samples there
 * is no order, which is said when a position is asked for: a model can be judged on data that has none to train with.
 */
export function trainingOrder(size: number, rng: Rng): (position: number) => number {
  if (size === Infinity) return (position) => position;
  let epoch = -1;
  let order: number[] = [];
  return (position) => {
    if (size < 1) throw new DataError("trainingOrder: the training split is empty");
    const wanted = Math.floor(position / size);
    if (wanted !== epoch) {
      epoch = wanted;
      order = rng.split(`epoch/${epoch}`).permutation(size);
    }
    return order[position % size]!;
  };
}
