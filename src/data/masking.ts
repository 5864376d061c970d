import type { Rng } from "../tensor/rng.ts";
import type { Tokenizer } from "./tokenizer.ts";

/** The label of a token that is not to be predicted. */
export const IGNORED = -100;

/** Most tokens that one sentence may lose (transformers 4.2.1, DataCollatorForWholeWordMask). */
const MOST_MASKED = 512;

/** A masked sentence; `labels` are the original ids of the chosen tokens and −100 elsewhere. */
export interface Masked {
  readonly ids: number[];
  readonly labels: number[];
}

export interface MaskOptions {
  readonly rng: Rng;
  /** Part of the tokens to choose. */
  readonly probability?: number;
  /** Whole words, or each token for itself (Devlin et al. 2019). */
  readonly wholeWords?: boolean;
  /**
   * `real`: only real tokens count and are chosen, and at least one is. `original`: as the ViLT code does, which pads
   * first: each [PAD] counts, may use up the budget and is dropped afterwards, so that short captions often have no
   * target.
   */
  readonly variant?: "real" | "original";
  /** How far `original` pads. */
  readonly paddedLength?: number;
  /** Positions that continue the word before them though they do not start with ##, as a Chinese segmenter tells. */
  readonly continuations?: ReadonlySet<number>;
}

/**
 * Masked language modelling: chooses tokens, then replaces each chosen one for itself, also inside one word: 80 %
 * [MASK], 10 % a token drawn from the whole vocabulary, 10 % unchanged. [UNK] may be chosen, as in the original.
 *
 * @param tokens with [CLS] and [SEP], without padding
 */
export function maskTokens(
  { ids, tokens }: { readonly ids: readonly number[]; readonly tokens: readonly string[] },
  tokenizer: Pick<Tokenizer, "maskId" | "vocabulary">,
  options: MaskOptions,
): Masked {
  const selected = options.wholeWords === false ? selectTokens(tokens, options) : selectWholeWords(tokens, options);
  return replaceSelected(ids, selected, replacementDrawer(options.rng, tokenizer));
}

/**
 * The tokens of each word: a token that starts with ## or is named in `continuations` joins the group before it, any
 * other starts a group.
 *
 * @param options.skip tokens that belong to no group
 * @returns positions, by word
 */
export function wholeWordGroups(
  tokens: readonly string[],
  { continuations, skip = ["[CLS]", "[SEP]"] }: { continuations?: ReadonlySet<number>; skip?: readonly string[] } = {},
): number[][] {
  const groups: number[][] = [];
  for (const [position, token] of tokens.entries()) {
    if (skip.includes(token)) continue;
    const continues = token.startsWith("##") || continuations?.has(position);
    if (continues && groups.length > 0) groups.at(-1)!.push(position);
    else groups.push([position]);
  }
  return groups;
}

/** k = max(1, round(length · probability)), rounded half to even as Python does, and at most 512. */
export function maskBudget(length: number, probability: number): number {
  const exact = length * probability;
  const floor = Math.floor(exact);
  const half = exact - floor === 0.5;
  const rounded = half ? floor + (floor % 2) : Math.round(exact);
  return Math.min(Math.max(1, rounded), MOST_MASKED);
}

/** Takes groups in order as long as they fit the budget of tokens; one that would exceed it is passed over. */
export function takeGroups(groups: readonly (readonly number[])[], budget: number): number[] {
  const taken: number[] = [];
  for (const group of groups) if (taken.length + group.length <= budget) taken.push(...group);
  return taken;
}

/** Positions of whole words drawn at random, in rising order. */
export function selectWholeWords(
  tokens: readonly string[],
  { rng, probability = 0.15, variant = "real", paddedLength = 40, continuations }: MaskOptions,
): number[] {
  const original = variant === "original";
  const padding = Array.from({ length: original ? Math.max(paddedLength - tokens.length, 0) : 0 }, () => "[PAD]");
  const padded = [...tokens, ...padding];
  const groups = wholeWordGroups(padded, {
    ...(continuations && { continuations }),
    skip: original ? ["[CLS]", "[SEP]"] : ["[CLS]", "[SEP]", "[PAD]", "[MASK]"],
  });
  const shuffled = rng.shuffle(groups);
  const taken = takeGroups(shuffled, maskBudget(padded.length, probability));
  const selected = !original && taken.length === 0 ? [...(shuffled[0] ?? [])] : taken;
  return selected.filter((position) => padded[position] !== "[PAD]").sort((a, b) => a - b);
}

function selectTokens(tokens: readonly string[], { rng, probability = 0.15, variant = "real" }: MaskOptions): number[] {
  const skip = ["[CLS]", "[SEP]", "[PAD]", ...(variant === "real" ? ["[MASK]"] : [])];
  const candidates = [...tokens.keys()].filter((position) => !skip.includes(tokens[position]!));
  const selected = candidates.filter(() => rng.bernoulli(probability));
  return variant === "real" && selected.length === 0 && candidates.length > 0 ? [rng.choice(candidates)] : selected;
}

/** Puts `replacement(position, id)` at the selected positions and labels them with what stood there. */
export function replaceSelected(
  ids: readonly number[],
  selected: readonly number[],
  replacement: (position: number, id: number) => number,
): Masked {
  const masked = [...ids];
  const labels = ids.map(() => IGNORED);
  for (const position of selected) {
    labels[position] = ids[position]!;
    masked[position] = replacement(position, ids[position]!);
  }
  return { ids: masked, labels };
}

/** The 80/10/10 rule: a first draw for [MASK], and for the rest a second one for a random token. */
function replacementDrawer(rng: Rng, { maskId, vocabulary }: Pick<Tokenizer, "maskId" | "vocabulary">) {
  return (_: number, id: number): number => {
    if (rng.bernoulli(0.8)) return maskId;
    return rng.bernoulli(0.5) ? rng.int(vocabulary.length) : id;
  };
}
