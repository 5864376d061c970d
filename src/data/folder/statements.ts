import * as z from "zod/mini";
import type { SampleOptions } from "../dataset.ts";
import type { Examples, Statement } from "../examples.ts";
import { type FolderOptions, FolderPictures } from "./pictures.ts";
import { checkSome, checkWords, findFile, Name, parseLines, type Read, readText } from "./records.ts";
import { Splits, splitOf } from "./splits.ts";

const Line = z.object({
  images: z.tuple([Name, Name], "expected two images, the left and the right one"),
  statement: z.string(),
  label: z.union([z.boolean(), z.enum(["True", "False"])], 'expected true, false, "True" or "False"'),
  split: z.optional(Name),
});

/** No kinds are told apart, so that the score of all is the only one. */
const KIND = "all";

interface Item extends Omit<Statement, "pictures" | "kind"> {
  readonly images: readonly [string, string];
  readonly split: string;
}

/**
 * A folder of pictures with statements about two of them: JSON lines `{"images": [left path, right path], "statement":
 * text, "label": true}`, where the label may also be `"True"` or `"False"` as in NLVR2; optionally with `"split"`,
 * which is taken as that of captions. Lines without one are dealt out by the path that comes first in the alphabet, so
 * that all statements about two pictures stay together, whichever is the left one.
 */
export class FolderStatements implements Examples<Statement> {
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
   * @param path a file of statements, or a folder that holds `statements.jsonl`
   * @throws {DataError} naming the file and the line that cannot be used: not JSON, a field missing or of another type,
   *   an empty statement, other than two images, one that does not exist or lies outside the folder
   */
  static async open(path: string, options: FolderOptions): Promise<FolderStatements> {
    const file = await findFile(path, "statements", ["statements.jsonl"]);
    const items = parseLines(await readText(file), file, Line).map(itemOf);
    checkSome(items, "statements", file);
    const pictures = new FolderPictures(file, options);
    for (const { images, statement, record } of items) {
      checkWords(statement, "statement", record);
      for (const image of images) await pictures.check(image, record);
    }
    return new FolderStatements(new Splits(file, items), pictures);
  }

  size(split: string): number {
    return this.#items.size(split);
  }

  async example(split: string, index: number, options?: SampleOptions): Promise<Statement> {
    const { images, statement, isTrue, record } = this.#items.at(split, index);
    const read = (image: string) => this.#pictures.read(image, record, options);
    const pictures = await Promise.all([read(images[0]), read(images[1])]);
    return { pictures, statement, isTrue, kind: KIND, record };
  }

  *texts(): Generator<{ text: string; record: string }> {
    for (const { statement: text, record } of this.#items) yield { text, record };
  }
}

function itemOf({ value, record }: Read<z.output<typeof Line>>): Item {
  const { images, statement, label } = value;
  const split = splitOf(value.split, [...images].sort()[0]!);
  return { images, statement, isTrue: label === true || label === "True", split, record };
}
