import * as z from "zod/mini";
import { expectSchema } from "../../tensor/expect-schema.ts";
import type { CaptionedImages, Sample, SampleOptions } from "../dataset.ts";
import { parseJson } from "../json.ts";
import { normalizedWords } from "../tokenizer.ts";
import { trainVocabulary } from "../vocabulary.ts";
import { type FolderOptions, FolderPictures } from "./pictures.ts";
import { checkSome, checkWords, findFile, Name, parseLines, readText } from "./records.ts";
import { Splits, splitOf } from "./splits.ts";

/** Names looked for, in this order, where a folder is given instead of a file. */
const FILES = ["captions.jsonl", "captions.json", "dataset.json"];

const Line = z.object({ image: Name, caption: z.string(), split: z.optional(Name) });

/** The format of Karpathy's splits of COCO and Flickr30k, as far as it is used. */
const Karpathy = z.object({
  filename: Name,
  filepath: z.optional(z.string()),
  split: Name,
  sentences: z.array(z.object({ raw: z.string() })).check(z.minLength(1)),
});

/** One caption of one picture. */
interface Item {
  readonly image: string;
  readonly caption: string;
  readonly split: string;
  readonly record: string;
}

/**
 * A folder of pictures with a captions file: JSON lines `{"image": path, "caption": text}`, optionally with `"split"`, or
 * Karpathy's JSON. A picture may have several captions; each is a sample.
 *
 * Splits named `val` and `restval` become `validation` and `train`. Lines without a split are dealt out by a hash of
 * the image path, a tenth to `validation`, so that all captions of a picture stay together and a line more moves none.
 */
export class FolderImages implements CaptionedImages {
  readonly name: string;
  readonly splits: readonly string[];
  readonly #items: Splits<Item>;
  readonly #pictures: FolderPictures;

  private constructor(items: Splits<Item>, pictures: FolderPictures) {
    this.name = items.name;
    this.splits = items.splits;
    this.#items = items;
    this.#pictures = pictures;
  }

  /**
   * @param path a captions file, or a folder that holds `captions.jsonl`, `captions.json` or `dataset.json`
   * @throws {DataError} naming the file and the line that cannot be used: not JSON, a field missing or of another type,
   *   an empty caption, an image that does not exist or lies outside the folder
   */
  static async open(path: string, options: FolderOptions): Promise<FolderImages> {
    const file = await findFile(path, "captions", FILES);
    const text = await readText(file);
    const items = looksLikeKarpathy(text, file) ? readKarpathy(text, file) : readLines(text, file);
    checkSome(items, "captions", file);
    const pictures = new FolderPictures(file, options);
    for (const { image, caption, record } of items) {
      checkWords(caption, "caption", record);
      await pictures.check(image, record);
    }
    return new FolderImages(new Splits(file, items), pictures);
  }

  size(split: string): number {
    return this.#items.size(split);
  }

  async sample(split: string, index: number, options?: SampleOptions): Promise<Sample> {
    const { image, caption, record } = this.#items.at(split, index);
    return { ...(await this.#pictures.read(image, record, options)), caption, picture: image, record };
  }

  captions(): Iterable<Pick<Sample, "caption" | "record">> {
    return this.#items;
  }

  /** Trained on the captions of the training split. */
  vocabulary(maxSize: number): string[] {
    const counts = new Map<string, number>();
    for (const { caption } of this.#items.of("train"))
      for (const word of normalizedWords(caption)) counts.set(word, (counts.get(word) ?? 0) + 1);
    return trainVocabulary(counts, maxSize);
  }
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
  return parseLines(text, file, Line).map(({ value: { image, caption, split }, record }) => {
    return { image, caption, split: splitOf(split, image), record };
  });
}

function readKarpathy(text: string, file: string): Item[] {
  const { images } = expectSchema(z.object({ images: z.array(z.unknown()) }), parseJson(text, file), file);
  return images.flatMap((entry, i) => {
    const record = `${file}, images[${i}]`;
    const { filename, filepath, split, sentences } = expectSchema(Karpathy, entry, record);
    const image = filepath ? `${filepath}/${filename}` : filename;
    const captions = [...new Set(sentences.map(({ raw }) => raw.trim()))];
    return captions.map((caption) => ({ image, caption, split: splitOf(split, image), record }));
  });
}
