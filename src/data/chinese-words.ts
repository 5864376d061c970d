/** Characters that BERT's tokenizer sets apart as tokens of their own: ideographs, neither kana nor hangul. */
const IDEOGRAPH =
  /[\u4E00-\u9FFF\u3400-\u4DBF\u{20000}-\u{2A6DF}\u{2A700}-\u{2B73F}\u{2B740}-\u{2B81F}\u{2B820}-\u{2CEAF}\uF900-\uFAFF\u{2F800}-\u{2FA1F}]/u;

/** Cuts a text into words, in their order; punctuation and other scripts may be words too. */
export type Segmenter = (text: string) => readonly string[];

/** Whether a text has an ideograph, so that whitespace does not say where its words end. */
export function hasIdeograph(text: string): boolean {
  return IDEOGRAPH.test(text);
}

/**
 * Where the tokens of a sentence continue a Chinese word: what whole word masking needs to know besides the ##, as each
 * ideograph is a token of its own (Cui et al. 2019; `run_chinese_ref.py` of transformers 4.2.1).
 *
 * From the left, at each ideograph, the longest of the sentence's words is taken that the tokens from there on spell; of
 * its tokens, the ideographs after the first are marked. Words of one character or without an ideograph mark nothing.
 *
 * @param tokens as the tokenizer gives them, with or without [CLS]
 * @param words the same sentence as a segmenter cuts it
 * @returns positions among `tokens`
 */
export function chineseContinuations(tokens: readonly string[], words: readonly string[]): Set<number> {
  const known = new Set(words.map(normalize).filter((word) => [...word].length > 1 && hasIdeograph(word)));
  const longest = Math.max(...[...known].map((word) => [...word].length), 0);
  const continuations = new Set<number>();
  for (let start = 0; start < tokens.length; ) {
    const length = hasIdeograph(tokens[start]!) ? wordLength(tokens, start, known, longest) : 1;
    for (let i = start + 1; i < start + length; i++) if (hasIdeograph(tokens[i]!)) continuations.add(i);
    start += length;
  }
  return continuations;
}

/** How many tokens the longest known word that begins at `start` has; 1 where there is none. */
function wordLength(tokens: readonly string[], start: number, known: ReadonlySet<string>, longest: number): number {
  for (let length = Math.min(longest, tokens.length - start); length > 1; length--)
    if (known.has(tokens.slice(start, start + length).join(""))) return length;
  return 1;
}

/** As the tokenizer does with a text: decomposed, and in lower case. */
function normalize(word: string): string {
  return word.normalize("NFD").toLowerCase();
}
