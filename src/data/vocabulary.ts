import { ConfigError } from "../tensor/errors.ts";

/** In the order in which small vocabularies number them. */
export const SPECIAL_TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] as const;

/**
 * A vocabulary of exactly these words after the special tokens; a word given as a list is cut into those pieces:
 * `["water", "melon"]` becomes `water` and `##melon`.
 */
export function vocabularyOf(words: Iterable<string | readonly string[]>): string[] {
  const tokens = new Set<string>(SPECIAL_TOKENS);
  for (const word of words)
    for (const [i, piece] of (typeof word === "string" ? [word] : word).entries())
      tokens.add(i === 0 ? piece : `##${piece}`);
  return [...tokens];
}

interface Word {
  pieces: string[];
  readonly count: number;
}

/**
 * A WordPiece vocabulary learnt from words: first all letters (where there is not room for all, the most frequent),
 * then, again and again, the pair of neighbouring pieces that is most frequent, joined (Sennrich et al. 2016, with ##
 * marking a piece inside a word). Ties go to the pair that sorts first, so the result depends on the counts alone.
 *
 * @param counts how often each normalised word occurs
 * @param size most tokens, special ones included
 * @throws {ConfigError} when there is no room for letters
 */
export function trainVocabulary(counts: ReadonlyMap<string, number>, size: number): string[] {
  if (size <= SPECIAL_TOKENS.length)
    throw new ConfigError(`trainVocabulary: ${size} tokens leave no room beside ${SPECIAL_TOKENS.length} special ones`);
  const words = [...counts].map(([word, count]): Word => {
    return { pieces: [...word].map((letter, i) => (i === 0 ? letter : `##${letter}`)), count };
  });
  const vocabulary = new Set<string>(SPECIAL_TOKENS);
  for (const letter of mostFrequent(countPieces(words), size - vocabulary.size)) vocabulary.add(letter);
  const pairs = new PairCounts(words.filter(({ pieces }) => pieces.every((piece) => vocabulary.has(piece))));
  while (vocabulary.size < size) {
    const pair = pairs.best();
    if (!pair) break;
    vocabulary.add(pairs.merge(pair));
  }
  return [...vocabulary];
}

function countPieces(words: readonly Word[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { pieces, count } of words)
    for (const piece of pieces) counts.set(piece, (counts.get(piece) ?? 0) + count);
  return counts;
}

function mostFrequent(counts: ReadonlyMap<string, number>, n: number): string[] {
  const ordered = [...counts].sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1));
  return ordered.slice(0, n).map(([piece]) => piece);
}

/** How often each pair of pieces stands side by side, and in which words; kept up to date as pairs are joined. */
class PairCounts {
  readonly #pairs = new Map<string, { count: number; readonly words: Set<Word> }>();

  constructor(words: Iterable<Word>) {
    for (const word of words) this.#note(word, 1);
  }

  /** The most frequent pair, as its two pieces with a space between. */
  best(): string | undefined {
    let best: string | undefined;
    let most = 0;
    for (const [pair, { count }] of this.#pairs)
      if (count > most || (count === most && best !== undefined && pair < best)) [best, most] = [pair, count];
    return best;
  }

  /** Joins a pair in every word and answers the new piece. */
  merge(pair: string): string {
    const [first, second] = pair.split(" ") as [string, string];
    const joined = first + second.slice(2);
    for (const word of [...this.#pairs.get(pair)!.words]) {
      this.#note(word, -1);
      for (let i = 0; i + 1 < word.pieces.length; i++)
        if (word.pieces[i] === first && word.pieces[i + 1] === second) word.pieces.splice(i, 2, joined);
      this.#note(word, 1);
    }
    return joined;
  }

  #note(word: Word, sign: 1 | -1): void {
    for (let i = 0; i + 1 < word.pieces.length; i++) {
      const pair = `${word.pieces[i]} ${word.pieces[i + 1]}`;
      const entry = this.#pairs.get(pair) ?? { count: 0, words: new Set() };
      entry.count += sign * word.count;
      if (sign > 0) entry.words.add(word);
      else entry.words.delete(word);
      if (entry.count > 0) this.#pairs.set(pair, entry);
      else this.#pairs.delete(pair);
    }
  }
}
