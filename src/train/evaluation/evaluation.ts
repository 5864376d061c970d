import { Rng } from "../../tensor/rng.ts";
import { positionGrid } from "../../vilt/config.ts";
import type { Recall } from "../metrics.ts";
import type { EncodedSample, EvaluationOptions, Score } from "./context.ts";
import { maskedWords } from "./masked-words.ts";
import { hardMatching, matching } from "./matching.ts";
import { type PointingScore, pointing } from "./pointing.ts";
import { retrieval } from "./retrieval.ts";

export interface Evaluation {
  readonly split: string;
  readonly samples: number;
  /** Matched and mismatched pairs told apart; half of each. */
  readonly matching: Score;
  /**
   * The same against hard negatives, by what is changed in the picture; absent where the data set makes none. Half of
   * the pairs are matched, the other half are the same captions with the changed picture.
   */
  readonly hardMatching?: Readonly<Record<string, Score>>;
  /** One word masked with all its pieces, all of them right; a noun where the data set names things. */
  readonly maskedWords: Score;
  readonly pool: number;
  readonly textRetrieval: Recall;
  readonly imageRetrieval: Recall;
  /** Recall@1, 5, 10 of a random order. */
  readonly retrievalChance: Recall;
  /** By aligned layer; absent where the true boxes are not known. */
  readonly pointing?: Readonly<Record<string, PointingScore>>;
}

/** Judges a model on a split; the samples, masks and pairs depend on the seed alone. */
export async function evaluate(options: EvaluationOptions): Promise<Evaluation> {
  const { dataset, split, tokenizer, truncate, model, seed } = options;
  const count = Math.min(options.samples, dataset.size(split));
  const encoded: EncodedSample[] = [];
  for (let i = 0; i < count; i++) {
    const sample = await dataset.sample(split, i);
    const { record } = sample;
    const maxLength = model.config.maxTextLength;
    encoded.push({ sample, encoding: tokenizer.encode(sample.caption, { maxLength, truncate, record }) });
  }
  const context = { ...options, encoded, rng: new Rng(seed).split(`evaluation/${split}`) };
  const found = await retrieval(context);
  const hard = await hardMatching(context);
  const points = await pointing(context, positionGrid(model.config));
  return {
    ...{ split, samples: count },
    matching: await matching(context),
    ...(hard && { hardMatching: hard }),
    maskedWords: await maskedWords(context),
    ...found,
    ...(points && { pointing: points }),
  };
}
