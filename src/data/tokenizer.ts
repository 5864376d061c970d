import { Tokenizer as HuggingFaceTokenizer } from "@huggingface/tokenizers";
import { DataError } from "../tensor/errors.ts";
import { SPECIAL_TOKENS } from "./vocabulary.ts";

/** A caption as the model reads it; all lists have one entry a token. */
export interface Encoding {
  readonly ids: number[];
  readonly tokens: string[];
  /** Which of the words that whitespace separates a token belongs to; −1 for [CLS] and [SEP]. */
  readonly words: number[];
}

export interface EncodeOptions {
  /** Most tokens, [CLS] and [SEP] included. */
  readonly maxLength?: number;
  /** Cuts a longer caption to its first `maxLength` − 2 pieces and [SEP], where it would be an error otherwise. */
  readonly truncate?: boolean;
  /** What an error message calls the caption, such as a file and a line. */
  readonly record?: string;
}

interface Pieces {
  readonly ids: readonly number[];
  readonly tokens: readonly string[];
}

/** What BERT takes for whitespace, and the two Unicode separators at which it splits words all the same. */
const WHITESPACE = /[ \t\n\r\p{Zs}\p{Zl}\p{Zp}]+/u;

/** Words whose pieces are remembered, so that a word is cut into pieces once and not at every step of training. */
const MOST_REMEMBERED = 100_000;

/**
 * BERT's WordPiece: lower case, accents dropped, punctuation apart, then the longest piece from the left
 * (Devlin et al. 2019). The work is done by `@huggingface/tokenizers`; special ids are read from the vocabulary.
 */
export class Tokenizer {
  /** The token of each id. */
  readonly vocabulary: readonly string[];
  readonly padId: number;
  readonly unknownId: number;
  readonly clsId: number;
  readonly sepId: number;
  readonly maskId: number;
  readonly #wordPiece: HuggingFaceTokenizer;
  readonly #remembered = new Map<string, Pieces>();

  /**
   * @param vocabulary one token an id, each once, with the five special ones anywhere
   * @param source what an error message calls the vocabulary
   * @param options.lowercase false for a cased vocabulary: letters and accents stay as they are
   * @throws {DataError} naming the source, and the line for a token that is empty or comes twice
   */
  constructor(vocabulary: readonly string[], source = "vocabulary", { lowercase = true } = {}) {
    const ids = indexVocabulary(vocabulary, source);
    this.vocabulary = [...vocabulary];
    [this.padId, this.unknownId, this.clsId, this.sepId, this.maskId] = SPECIAL_TOKENS.map((token) => ids[token]!) as [
      number,
      number,
      number,
      number,
      number,
    ];
    this.#wordPiece = wordPiece(ids, lowercase);
  }

  /** @param source what an error message calls the place that the JSON was read from */
  static fromJSON(json: unknown, source = "tokenizer"): Tokenizer {
    const vocabulary = (json as { vocabulary?: unknown } | null)?.vocabulary;
    if (!Array.isArray(vocabulary) || !vocabulary.every((token) => typeof token === "string"))
      throw new DataError(`${source}: expected {"vocabulary": [tokens]}`);
    return new Tokenizer(vocabulary, source);
  }

  toJSON(): { vocabulary: string[] } {
    return { vocabulary: [...this.vocabulary] };
  }

  /**
   * `[CLS] pieces [SEP]`, without padding.
   * @throws {DataError} for a caption without any piece, and for one over `maxLength` unless it may be truncated
   */
  encode(text: string, { maxLength, truncate = false, record = "caption" }: EncodeOptions = {}): Encoding {
    const { ids, tokens, words } = this.tokenize(text);
    ids.unshift(this.clsId);
    tokens.unshift("[CLS]");
    words.unshift(-1);
    if (ids.length === 1) throw new DataError(`${record}: the caption ${quote(text)} is empty`);
    const limit = (maxLength ?? Infinity) - 1;
    if (ids.length > limit && !truncate)
      throw new DataError(
        `${record}: the caption ${quote(text)} has ${ids.length + 1} tokens, the limit is ${maxLength}`,
      );
    for (const list of [ids, tokens, words]) list.length = Math.min(list.length, limit);
    ids.push(this.sepId);
    tokens.push("[SEP]");
    words.push(-1);
    return { ids, tokens, words };
  }

  /** The pieces of a text, without special tokens; none for a text that is empty. */
  tokenize(text: string): Encoding {
    const [ids, tokens, words]: [number[], string[], number[]] = [[], [], []];
    for (const [at, word] of splitWords(text).entries()) {
      const pieces = this.#cut(word);
      for (let i = 0; i < pieces.ids.length; i++) {
        ids.push(pieces.ids[i]!);
        tokens.push(pieces.tokens[i]!);
        words.push(at);
      }
    }
    return { ids, tokens, words };
  }

  /** The text of tokens, pieces joined and special tokens left out. @throws {DataError} for an id that is not in the vocabulary */
  decode(ids: Iterable<number>): string {
    const list = [...ids];
    const unknown = list.find((id) => this.vocabulary[id] === undefined);
    if (unknown !== undefined)
      throw new DataError(`decode: no token ${unknown} in a vocabulary of ${this.vocabulary.length}`);
    return list.length === 0 ? "" : this.#wordPiece.decode(list, { skip_special_tokens: true });
  }

  #cut(word: string): Pieces {
    const known = this.#remembered.get(word);
    if (known) return known;
    const pieces = this.#wordPiece.encode(word, { add_special_tokens: false });
    if (this.#remembered.size >= MOST_REMEMBERED) this.#remembered.clear();
    this.#remembered.set(word, pieces);
    return pieces;
  }
}

/** The words of a caption: what stands between whitespace. */
export function splitWords(text: string): string[] {
  return text.split(WHITESPACE).filter((word) => word !== "");
}

/** Words as WordPiece meets them: normalised, and with each punctuation mark a word of its own. */
export function normalizedWords(text: string): string[] {
  normalizing ??= wordPiece(Object.fromEntries(SPECIAL_TOKENS.map((token, id) => [token, id])));
  const normalized = normalizing.normalizer!.normalize(text);
  return normalizing.pre_tokenizer!.pre_tokenize(normalized);
}
let normalizing: HuggingFaceTokenizer | undefined;

function quote(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 59)}…` : text);
}

function indexVocabulary(vocabulary: readonly string[], source: string): Record<string, number> {
  const ids = new Map<string, number>();
  for (const [id, token] of vocabulary.entries()) {
    if (token === "") throw new DataError(`${source}, line ${id + 1}: expected a token, the line is empty`);
    if (ids.has(token))
      throw new DataError(
        `${source}, line ${id + 1}: ${JSON.stringify(token)} stands in line ${ids.get(token)! + 1} too`,
      );
    ids.set(token, id);
  }
  const missing = SPECIAL_TOKENS.filter((token) => !ids.has(token));
  if (missing.length > 0) throw new DataError(`${source}: no line reads ${missing.join(" or ")}`);
  return Object.fromEntries(ids);
}

/** The parts of BERT's tokenizer, as its `tokenizer.json` names them. */
function wordPiece(vocab: Readonly<Record<string, number>>, lowercase = true): HuggingFaceTokenizer {
  const flags = { single_word: false, lstrip: false, rstrip: false, normalized: false, special: true };
  return new HuggingFaceTokenizer(
    {
      version: "1.0",
      added_tokens: SPECIAL_TOKENS.map((content) => ({ id: vocab[content], content, ...flags })),
      normalizer: {
        type: "BertNormalizer",
        clean_text: true,
        handle_chinese_chars: true,
        strip_accents: lowercase,
        lowercase,
      },
      pre_tokenizer: { type: "BertPreTokenizer" },
      post_processor: null,
      decoder: { type: "WordPiece", prefix: "##", cleanup: true },
      model: {
        type: "WordPiece",
        unk_token: "[UNK]",
        continuing_subword_prefix: "##",
        max_input_chars_per_word: 100,
        vocab,
      },
    },
    { tokenizer_class: "BertTokenizer", unk_token: "[UNK]" },
  );
}
