import { collateImages } from "../../data/batch.ts";
import type { Thing } from "../../data/dataset.ts";
import { replaceSelected, wholeWordGroups } from "../../data/masking.ts";
import { uploadPairs } from "../batches.ts";
import { compute } from "../compute.ts";
import { argmaxOf, RunningMean } from "../metrics.ts";
import { chunks, type EncodedSample, type EvaluationContext, type Score } from "./context.ts";

/** Positions of the tokens that make up the words [start, end) of a caption. */
export function tokensOfWords({ encoding }: EncodedSample, [start, end]: readonly [number, number]): number[] {
  return encoding.words.flatMap((word, token) => (word >= start && word < end ? [token] : []));
}

/** The things of a sample whose words have tokens: those that were cut off with the caption's end have none. */
export function thingsInText(row: EncodedSample): Thing[] {
  return row.sample.things?.filter(({ words }) => tokensOfWords(row, words).length > 0) ?? [];
}

/** One noun of the caption, or one word where the data set names no things. */
function chooseWord(row: EncodedSample, { rng }: EvaluationContext): number[] {
  const things = thingsInText(row);
  if (things.length > 0) return tokensOfWords(row, rng.choice(things).words);
  return rng.choice(wholeWordGroups(row.encoding.tokens));
}

/**
 * One word of each caption masked with all its pieces, the picture given: right when every piece is the most likely
 * token. Chance is one in the number of nouns, or in the vocabulary where the data set names no things.
 */
export async function maskedWords(context: EvaluationContext): Promise<Score> {
  const { encoded, model, tokenizer } = context;
  const accuracy = new RunningMean();
  for (const rows of chunks(encoded)) {
    const chosen = rows.map((row) => chooseWord(row, context));
    const masked = rows.map(({ encoding }, b) => replaceSelected(encoding.ids, chosen[b]!, () => tokenizer.maskId));
    const images = collateImages(rows.map(({ sample }) => sample));
    const { logits } = await compute(() => {
      const input = uploadPairs(masked, images, tokenizer.padId);
      const T = input.ids.length / rows.length;
      const words = Int32Array.from(chosen.flatMap((tokens, b) => tokens.map((token) => b * T + token)));
      return { logits: model.maskedLanguageModelingHead.forward(model.backbone.encode(input, { words }).hidden) };
    });
    const V = tokenizer.vocabulary.length;
    let row = 0;
    for (const [b, tokens] of chosen.entries()) {
      const right = tokens.filter((token) => argmaxOf(logits, row++ * V, V) === rows[b]!.encoding.ids[token]);
      accuracy.add(right.length === tokens.length ? 1 : 0);
    }
  }
  const nouns = new Set(encoded.flatMap(({ sample }) => sample.things?.map(({ noun }) => noun) ?? []));
  return { score: accuracy.mean, chance: 1 / (nouns.size || tokenizer.vocabulary.length) };
}
