import { collateImages, previousRow, selectImages } from "../../data/batch.ts";
import { Rng } from "../../tensor/rng.ts";
import { positionGrid } from "../../vilt/config.ts";
import { uploadPairs } from "../batches.ts";
import { compute } from "../compute.ts";
import { countCorrect, type Recall, RunningMean } from "../metrics.ts";
import { chunks, type EncodedSample, type EvaluationContext, type EvaluationOptions, type Score } from "./context.ts";
import { maskedWords } from "./masked-words.ts";
import { type PointingScore, pointing } from "./pointing.ts";
import { retrieval } from "./retrieval.ts";

export interface Evaluation {
  readonly split: string;
  readonly samples: number;
  /** Matched and mismatched pairs told apart; half of each. */
  readonly matching: Score;
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
  const points = await pointing(context, positionGrid(model.config));
  return {
    ...{ split, samples: count },
    matching: await matching(context),
    maskedWords: await maskedWords(context),
    ...found,
    ...(points && { pointing: points }),
  };
}

/** Image–text matching on pairs made as in training, without a false negative where the data set knows its things. */
async function matching({ encoded, model, tokenizer }: EvaluationContext): Promise<Score> {
  const accuracy = new RunningMean();
  const chance = new RunningMean();
  for (const rows of chunks(encoded)) {
    if (rows.length < 2) continue;
    const { labels, imageOf } = previousRow(rows.map(({ sample }) => sample));
    const images = selectImages(collateImages(rows.map(({ sample }) => sample)), imageOf);
    const { logits } = await compute(() => {
      const { pooled } = model.backbone.forward(
        uploadPairs(
          rows.map(({ encoding }) => encoding),
          images,
          tokenizer.padId,
        ),
      );
      return { logits: model.imageTextMatchingHead.forward(pooled) };
    });
    const { correct, counted } = countCorrect(logits, labels, 2);
    accuracy.add(correct / counted, counted);
    chance.add(0.5, counted);
  }
  return { score: accuracy.mean, chance: chance.mean };
}
