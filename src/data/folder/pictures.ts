import { stat } from "node:fs/promises";
import { dirname, isAbsolute, join, relative, resolve, sep } from "node:path";
import { DataError } from "../../tensor/errors.ts";
import type { SampleOptions } from "../dataset.ts";
import { type PlanarImage, prepareImage, type RgbImage } from "../image.ts";
import { decodeImage } from "../image-file.ts";

/**
 * Pictures are kept up to this many bytes, so that a small data set is decoded once and not in each epoch: prepared
 * ones, or as they were decoded where they are augmented anew each time.
 */
const KEPT_BYTES = 256 * 2 ** 20;

export interface FolderOptions {
  /** Shorter side of a prepared picture, and what both sides are multiples of, in pixels. */
  readonly shorter: number;
  readonly divisor: number;
  /** Where image paths start; the folder of the file that names them when not said. */
  readonly imageRoot?: string;
}

/** The pictures of a folder, by their paths in it. They are decoded when they are asked for. */
export class FolderPictures {
  readonly #root: string;
  readonly #size: { shorter: number; divisor: number };
  readonly #found = new Set<string>();
  readonly #prepared = new Map<string, PlanarImage>();
  readonly #decoded = new Map<string, RgbImage>();
  #keptBytes = 0;

  /** @param file that names the pictures */
  constructor(file: string, { shorter, divisor, imageRoot }: FolderOptions) {
    this.#root = resolve(imageRoot ?? dirname(file));
    this.#size = { shorter, divisor };
  }

  /** @throws {DataError} for a picture that does not exist or lies outside the folder */
  async check(image: string, record: string): Promise<void> {
    if (this.#found.has(image)) return;
    const path = resolve(this.#root, image);
    const inside = relative(this.#root, path);
    if (inside === "" || isAbsolute(inside) || inside.split(sep)[0] === "..")
      throw new DataError(`${record}: the image ${JSON.stringify(image)} lies outside ${this.#root}`);
    const found = await stat(path).catch(() => null);
    if (!found?.isFile()) throw new DataError(`${record}: there is no image file ${path}`);
    this.#found.add(image);
  }

  /** A picture as the model takes it. @throws {DataError} when it cannot be decoded */
  async read(image: string, record: string, { augment }: SampleOptions = {}): Promise<PlanarImage> {
    return augment
      ? prepareImage(augment(await this.#decode(image, record)), this.#size)
      : this.#prepare(image, record);
  }

  async #prepare(image: string, record: string): Promise<PlanarImage> {
    const kept = this.#prepared.get(image);
    if (kept) return kept;
    const prepared = prepareImage(await this.#readFile(image, record), this.#size);
    this.#keep(this.#prepared, image, prepared, prepared.image.byteLength);
    return prepared;
  }

  async #decode(image: string, record: string): Promise<RgbImage> {
    const kept = this.#decoded.get(image);
    if (kept) return kept;
    const decoded = await this.#readFile(image, record);
    this.#keep(this.#decoded, image, decoded, decoded.data.byteLength);
    return decoded;
  }

  #readFile(image: string, record: string): Promise<RgbImage> {
    const path = join(this.#root, image);
    return decodeImage(path, `${record}: ${path}`);
  }

  #keep<T>(kept: Map<string, T>, image: string, picture: T, bytes: number): void {
    if (kept.has(image) || this.#keptBytes + bytes > KEPT_BYTES) return; // two samples may have waited for one picture
    this.#keptBytes += bytes;
    kept.set(image, picture);
  }
}
