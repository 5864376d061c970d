import { createRequire } from "node:module";
import { DataError } from "../tensor/errors.ts";

export interface SegmentOptions {
  /** Words that are kept whole though the dictionary does not have them, or would rather cut them. */
  readonly userWords?: readonly string[];
}

/** What is used of @node-rs/jieba; its own types are there only where the package is. */
interface Jieba {
  cut(text: string, guessUnknownWords: boolean): string[];
  loadDict(lines: Uint8Array): void;
}
interface JiebaPackage {
  readonly Jieba: { withDict(dictionary: Uint8Array): Jieba };
  readonly dict: Uint8Array;
}

/** Above what the dictionary gives any two words together, so that a word that was taught is never cut. */
const USER_FREQUENCY = 1_000_000;

const segmenters = new Map<string, Jieba>();

/**
 * The words of a Chinese text by the dictionary of jieba, and by its guesses where a word is not in it; whitespace is
 * left out. 使用语言模型 → 使用, 语言, 模型.
 *
 * @throws {DataError} when the optional package @node-rs/jieba is not installed
 */
export function segmentChinese(text: string, { userWords = [] }: SegmentOptions = {}): string[] {
  return segmenterWith(userWords)
    .cut(text, true)
    .filter((word) => word.trim() !== "");
}

/** The dictionary is read once for each set of user words. */
function segmenterWith(userWords: readonly string[]): Jieba {
  const key = JSON.stringify(userWords);
  const known = segmenters.get(key);
  if (known) return known;
  const { Jieba, dict } = loadJieba();
  const segmenter = Jieba.withDict(dict);
  for (const word of userWords) {
    if (word === "" || /\s/.test(word)) throw new DataError(`segmentChinese: ${JSON.stringify(word)} is not a word`);
    segmenter.loadDict(Buffer.from(`${word} ${USER_FREQUENCY} n\n`));
  }
  segmenters.set(key, segmenter);
  return segmenter;
}

function loadJieba(): JiebaPackage {
  const require = createRequire(import.meta.url);
  try {
    return { ...require("@node-rs/jieba"), ...require("@node-rs/jieba/dict.js") };
  } catch (cause) {
    throw new DataError(
      `segmentChinese: the optional package @node-rs/jieba cannot be loaded; npm install @node-rs/jieba adds it (${String((cause as Error).message).split("\n")[0]})`,
      { cause },
    );
  }
}
