import { DataError } from "../tensor/errors.ts";
import { chineseContinuations } from "./chinese-words.ts";
import { wholeWordGroups } from "./masking.ts";
import type { Tokenizer } from "./tokenizer.ts";
import { vocabularyOf } from "./vocabulary.ts";

/** The sentence by which whole word masking is explained for Chinese (Cui et al. 2019, table 1). */
export const EXAMPLE_SENTENCE = "使用语言模型来预测下一个词的probability。";

/** A vocabulary of the 18 pieces of that sentence and the special tokens; BERT's own may cut "probability" otherwise. */
export function exampleVocabulary(): string[] {
  return vocabularyOf([..."使用语言模型来预测下一个词的", ["pro", "babi", "lity"], "。"]);
}

/** A sentence on its way to the model, each as text with spaces between its parts. */
export interface MaskingStages {
  readonly original: string;
  /** As the segmenter cuts it into words. */
  readonly segmented: string;
  /** Some tokens masked, each for itself. */
  readonly tokensMasked: string;
  /** All tokens of some words masked. */
  readonly wordsMasked: string;
}

/**
 * Shows what whole word masking changes: of each named word, either its middle token (the earlier of two) or all tokens
 * are masked. Nothing is drawn.
 *
 * @param words the sentence as a segmenter cuts it
 * @param masked words of the sentence; each is masked wherever it stands
 * @throws {DataError} naming a word that the sentence does not have
 */
export function maskingStages(
  sentence: string,
  { tokenizer, words, masked }: { tokenizer: Tokenizer; words: readonly string[]; masked: readonly string[] },
): MaskingStages {
  const { tokens } = tokenizer.tokenize(sentence);
  const groups = wholeWordGroups(tokens, { continuations: chineseContinuations(tokens, words) });
  const spell = (group: readonly number[]) => group.map((i) => tokens[i]!.replace(/^##/, "")).join("");
  const chosen = masked.flatMap((word) => {
    const found = groups.filter((group) => spell(group) === word);
    if (found.length === 0)
      throw new DataError(`maskingStages: "${word}" is none of the words ${groups.map(spell).join(" ")}`);
    return found;
  });
  const show = (positions: readonly number[]) =>
    tokens.map((token, i) => (positions.includes(i) ? "[MASK]" : token)).join(" ");
  return {
    original: sentence,
    segmented: words.join(" "),
    tokensMasked: show(chosen.map((group) => group[Math.floor((group.length - 1) / 2)]!)),
    wordsMasked: show(chosen.flat()),
  };
}
