import { createHash } from "node:crypto";
import { readFile, stat } from "node:fs/promises";
import { dirname, isAbsolute, join, relative, resolve, sep } from "node:path";
import { z } from "zod";
import { DataError } from "../tensor/errors.ts";
import { type CaptionedImages, checkIndex, checkSplit, type Sample, type SampleOptions } from "./dataset.ts";
import { type PlanarImage, prepareImage, type RgbImage } from "./image.ts";
import { decodeImage } from "./image-file.ts";
import { normalizedWords, splitWords } from "./tokenizer.ts";
import { trainVocabulary } from "./vocabulary.ts";

/** Names looked for, in this order, where a folder is given instead of a file. */
const CAPTION_FILES = ["captions.jsonl", "captions.json", "dataset.json"];

/**
 * Pictures are kept up to this many bytes, so that a small data set is decoded once and not in each epoch: prepared
 * ones, or as they were decoded where they are augmented anew each time.
 */
const KEPT_BYTES = 256 * 2 ** 20;

const Line = z.object({ image: z.string().min(1), caption: z.string(), split: z.string().min(1).optional() });

/** The format of Karpathy's splits of COCO and Flickr30k, as far as it is used. */
const Karpathy = z.object({
  filename: z.string().min(1),
  filepath: z.string().optional(),
  split: z.string().min(1),
  sentences: z.array(z.object({ raw: z.string() })).min(1),
});

/** One caption of one picture. */
interface Item {
  readonly image: string;
  readonly caption: string;
  readonly split: string;
  /** Where the captions file says so. */
  readonly record: string;
}

export interface FolderOptions {
  /** Shorter side of a prepared picture, and what both sides are multiples of, in pixels. */
  readonly shorter: number;
  readonly divisor: number;
  /** Where image paths start; the folder of the captions file when not said. */
  readonly imageRoot?: string;
}

/**
 * A folder of pictures with a captions file: JSON lines `{"image": path, "caption": text}`, optionally with `"split"`, or
 * Karpathy's JSON. A picture may have several captions; each is a sample. Pictures are decoded when they are asked for.
 *
 * Splits named `val` and `restval` become `validation` and `train`. Lines without a split are dealt out by a hash of
 * the image path, a tenth to `validation`, so that all captions of a picture stay together and a line more moves none.
 */
export class FolderImages implements CaptionedImages {
  readonly name: string;
  readonly splits: readonly string[];
  readonly #items: ReadonlyMap<string, readonly Item[]>;
  readonly #root: string;
  readonly #size: { shorter: number; divisor: number };
  readonly #prepared = new Map<string, PlanarImage>();
  readonly #decoded = new Map<string, RgbImage>();
  #keptBytes = 0;

  private constructor(name: string, items: readonly Item[], root: string, { shorter, divisor }: FolderOptions) {
    this.name = name;
    this.splits = [...new Set(["train", "validation", ...items.map(({ split }) => split)])];
    this.#items = new Map(this.splits.map((split) => [split, items.filter((item) => item.split === split)]));
    this.#root = root;
    this.#size = { shorter, divisor };
  }

  /**
   * @param path a captions file, or a folder that holds `captions.jsonl`, `captions.json` or `dataset.json`
   * @throws {DataError} naming the file and the line that cannot be used: not JSON, a field missing or of another type,
   *   an empty caption, an image that does not exist or lies outside the folder
   */
  static async open(path: string, options: FolderOptions): Promise<FolderImages> {
    const file = await captionsFile(path);
    const text = (await readFile(file, "utf8")).replace(/^\uFEFF/, "");
    const items = looksLikeKarpathy(text, file) ? readKarpathy(text, file) : readLines(text, file);
    if (items.length === 0) throw new DataError(`${file}: there are no captions in it`);
    const root = resolve(options.imageRoot ?? dirname(file));
    await checkItems(items, root);
    return new FolderImages(path, items, root, options);
  }

  size(split: string): number {
    checkSplit(this, split);
    return this.#items.get(split)!.length;
  }

  async sample(split: string, index: number, { augment }: SampleOptions = {}): Promise<Sample> {
    checkIndex(this, split, index);
    const { image, caption, record } = this.#items.get(split)![index]!;
    const picture = augment
      ? prepareImage(augment(await this.#decode(image, record)), this.#size)
      : await this.#prepare(image, record);
    return { ...picture, caption, picture: image, record };
  }

  *captions(): Generator<Pick<Sample, "caption" | "record">> {
    for (const items of this.#items.values()) yield* items;
  }

  /** Trained on the captions of the training split. */
  vocabulary(maxSize: number): string[] {
    const counts = new Map<string, number>();
    for (const { caption } of this.#items.get("train")!)
      for (const word of normalizedWords(caption)) counts.set(word, (counts.get(word) ?? 0) + 1);
    return trainVocabulary(counts, maxSize);
  }

  async #prepare(image: string, record: string): Promise<PlanarImage> {
    const kept = this.#prepared.get(image);
    if (kept) return kept;
    const prepared = prepareImage(await this.#read(image, record), this.#size);
    this.#keep(this.#prepared, image, prepared, prepared.image.byteLength);
    return prepared;
  }

  async #decode(image: string, record: string): Promise<RgbImage> {
    const kept = this.#decoded.get(image);
    if (kept) return kept;
    const decoded = await this.#read(image, record);
    this.#keep(this.#decoded, image, decoded, decoded.data.byteLength);
    return decoded;
  }

  #read(image: string, record: string): Promise<RgbImage> {
    const path = join(this.#root, image);
    return decodeImage(path, `${record}: ${path}`);
  }

  #keep<T>(kept: Map<string, T>, image: string, picture: T, bytes: number): void {
    if (kept.has(image) || this.#keptBytes + bytes > KEPT_BYTES) return; // two samples may have waited for one picture
    this.#keptBytes += bytes;
    kept.set(image, picture);
  }
}

async function captionsFile(path: string): Promise<string> {
  const candidates = [path, ...CAPTION_FILES.map((name) => join(path, name))];
  for (const candidate of candidates) {
    const found = await stat(candidate).catch(() => null);
    if (found?.isFile()) return candidate;
  }
  throw new DataError(`${path}: expected a captions file, or a folder with ${CAPTION_FILES.join(" or ")}`);
}

/** JSON lines begin with a line that is a whole object without `images`; else the name of the file decides. */
function looksLikeKarpathy(text: string, file: string): boolean {
  const first = text.trimStart().split("\n", 1)[0]!;
  try {
    const value: unknown = JSON.parse(first);
    return typeof value === "object" && value !== null && "images" in value;
  } catch {
    return file.endsWith(".json");
  }
}

function readLines(text: string, file: string): Item[] {
  return text.split("\n").flatMap((line, i): Item[] => {
    if (line.trim() === "") return [];
    const record = `${file}, line ${i + 1}`;
    const { image, caption, split } = check(Line, parse(line, record), record);
    return [{ image, caption, split: splitName(split ?? splitByHash(image)), record }];
  });
}

function readKarpathy(text: string, file: string): Item[] {
  const { images } = check(z.object({ images: z.array(z.unknown()) }), parse(text, file), file);
  return images.flatMap((entry, i) => {
    const record = `${file}, images[${i}]`;
    const { filename, filepath, split, sentences } = check(Karpathy, entry, record);
    const image = filepath ? `${filepath}/${filename}` : filename;
    const captions = [...new Set(sentences.map(({ raw }) => raw.trim()))];
    return captions.map((caption) => ({ image, caption, split: splitName(split), record }));
  });
}

function parse(json: string, record: string): unknown {
  try {
    return JSON.parse(json);
  } catch (cause) {
    const lines = json.trimEnd().split("\n");
    const line = lines.length > 1 ? `, line ${faultyLine(lines)}` : "";
    throw new DataError(`${record}${line}: not JSON: ${(cause as Error).message.replace(/\s+/g, " ")}`, { cause });
  }
}

/** The first line, from 1, up to which the text is no beginning of any JSON: found by halving, as V8 seldom says where. */
function faultyLine(lines: readonly string[]): number {
  let [sound, faulty] = [0, lines.length];
  while (faulty - sound > 1) {
    const middle = (sound + faulty) >> 1;
    if (beginsJson(lines.slice(0, middle).join("\n"))) sound = middle;
    else faulty = middle;
  }
  return faulty;
}

function beginsJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch (error) {
    const { message } = error as SyntaxError;
    return /end of JSON|Unterminated/.test(message) || /at position (\d+)/.exec(message)?.[1] === String(text.length);
  }
}

function check<T>(schema: z.ZodType<T>, value: unknown, record: string): T {
  const { data, error } = schema.safeParse(value);
  if (!error) return data;
  const { path, message } = error.issues[0]!;
  throw new DataError(`${record}: ${path.length > 0 ? `"${path.join(".")}": ` : ""}${message}`);
}

function splitName(split: string): string {
  return { val: "validation", restval: "train" }[split] ?? split;
}

function splitByHash(image: string): string {
  return createHash("sha256").update(image).digest().readUInt32BE(0) < 0.1 * 2 ** 32 ? "validation" : "train";
}

async function checkItems(items: readonly Item[], root: string): Promise<void> {
  const seen = new Set<string>();
  for (const { image, caption, record } of items) {
    if (splitWords(caption).length === 0) throw new DataError(`${record}: the caption is empty`);
    if (seen.has(image)) continue;
    seen.add(image);
    const path = resolve(root, image);
    const inside = relative(root, path);
    if (inside === "" || isAbsolute(inside) || inside.split(sep)[0] === "..")
      throw new DataError(`${record}: the image ${JSON.stringify(image)} lies outside ${root}`);
    const found = await stat(path).catch(() => null);
    if (!found?.isFile()) throw new DataError(`${record}: there is no image file ${path}`);
  }
}
