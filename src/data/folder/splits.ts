import { createRequire } from "node:module";
import { checkIndex, checkSplit } from "../dataset.ts";

const require = createRequire(import.meta.url);

const NAMES = new Map([
  ["val", "validation"],
  ["restval", "train"],
]);

/**
 * The split of what a line says. `val` and `restval` are Karpathy's names for `validation` and `train`. Where no split
 * is said, it is dealt out by a hash of the image path, a tenth to `validation`, so that all texts of a picture stay
 * together and a line more moves none.
 */
export function splitOf(said: string | undefined, image: string): string {
  if (said !== undefined) return NAMES.get(said) ?? said;
  const { createHash } = require("node:crypto") as typeof import("node:crypto"); // when needed: it takes 5 ms
  return createHash("sha256").update(image).digest().readUInt32BE(0) < 0.1 * 2 ** 32 ? "validation" : "train";
}

/** Items by split and index. */
export class Splits<Item extends { readonly split: string }> {
  readonly splits: readonly string[];
  readonly #items: ReadonlyMap<string, readonly Item[]>;

  /** @param name what an error message calls the whole */
  constructor(
    readonly name: string,
    items: readonly Item[],
  ) {
    const bySplit = new Map<string, Item[]>([
      ["train", []],
      ["validation", []],
    ]);
    for (const item of items) {
      const others = bySplit.get(item.split);
      if (others) others.push(item);
      else bySplit.set(item.split, [item]);
    }
    this.#items = bySplit;
    this.splits = [...bySplit.keys()];
  }

  /** @throws {DataError} for a split that does not exist */
  size(split: string): number {
    return this.of(split).length;
  }

  of(split: string): readonly Item[] {
    checkSplit(this, split);
    return this.#items.get(split)!;
  }

  /** @throws {DataError} unless `index` is a whole number in [0, size(split)) */
  at(split: string, index: number): Item {
    checkIndex(this, split, index);
    return this.#items.get(split)![index]!;
  }

  *[Symbol.iterator](): Generator<Item> {
    for (const items of this.#items.values()) yield* items;
  }
}
