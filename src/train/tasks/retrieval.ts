import type { ImageBatch } from "../../data/batch.ts";
import { type CaptionedImages, type Sample, trainingOrder } from "../../data/dataset.ts";
import { Rng } from "../../tensor/rng.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { retrievalLoss, ViltForRetrieval } from "../../vilt/retrieval.ts";
import { compute } from "../compute.ts";
import { distinct, retrievalOf, scorePool } from "../evaluation/retrieval.ts";
import { likeliest } from "../metrics.ts";
import { pictureFigure } from "./figures.ts";
import {
  type FineTuningTask,
  type TaskContext,
  type TaskScores,
  type Trainee,
  type TraineeStart,
  taskInput,
  trainingOptions,
} from "./task.ts";

/** Captions of other samples beside a picture's own (specification §4.8). */
const NEGATIVES = 15;
/** Most pictures, each with one caption, among which is chosen. */
const POOL = 100;
const HEADLINE = "mean recall@1";
/** Captions that a figure shows. */
const SHOWN = 3;

/** Ranking captions for a picture and pictures for a caption by one score of each pair (specification §4.8). */
export function retrievalTask(dataset: CaptionedImages): FineTuningTask {
  const { splits, needs, captions } = dataset;
  return {
    ...{ headline: HEADLINE, dataName: dataset.name, splits, labels: [], modalityTypes: 2, headMultiplier: 1 },
    size: (split) => dataset.size(split),
    ...(needs && { needs }),
    *texts() {
      for (const { caption: text, record } of captions?.call(dataset) ?? []) yield { text, record };
    },
    trainee: (start, context) => new RetrievalTrainee(dataset, start, context),
  };
}

class RetrievalTrainee implements Trainee {
  readonly model: ViltForRetrieval;
  readonly #rng: Rng;
  readonly #order: (position: number) => number;

  constructor(
    readonly dataset: CaptionedImages,
    { backbone, matchingHead, rng }: TraineeStart,
    readonly context: TaskContext,
  ) {
    this.model = new ViltForRetrieval(backbone, { rng }, matchingHead ?? undefined);
    this.#rng = new Rng(context.seed).split("fine-tuning/retrieval");
    this.#order = trainingOrder(dataset.size("train"), this.#rng.split("order"));
  }

  async prepare(step: number): Promise<(rng: Rng) => Tensor> {
    const { batchSize } = this.context.settings;
    const rng = this.#rng.split(`negatives/${step}`);
    const size = this.dataset.size("train");
    const groups = await Promise.all(
      Array.from({ length: batchSize }, (_, b) => {
        const own = this.#order(step * batchSize + b);
        const others = Array.from({ length: NEGATIVES }, () => (size === Infinity ? rng.bits() : rng.int(size)));
        const draw = async (index: number) =>
          this.dataset.sample("train", index, trainingOptions(step, index, this.context));
        return Promise.all([own, ...others].map(draw));
      }),
    );
    const pictures = groups.flatMap(([own]) => Array<Sample>(1 + NEGATIVES).fill(own!));
    return (rng) => retrievalLoss(this.#score(groups.flat(), pictures, rng), 1 + NEGATIVES);
  }

  async evaluate(split: string, samples: number): Promise<TaskScores> {
    const { textRetrieval, imageRetrieval, retrievalChance: chance } = retrievalOf(await this.#scores(split, samples));
    const mean = (textRetrieval.at1 + imageRetrieval.at1) / 2;
    const rows: TaskScores = { [HEADLINE]: { score: mean, chance: chance.at1 } };
    const more = (["at1", "at5", "at10"] as const).flatMap((at) => {
      const k = at.slice(2);
      return [
        [`image → text recall@${k}`, { score: textRetrieval[at], chance: chance[at] }],
        [`text → image recall@${k}`, { score: imageRetrieval[at], chance: chance[at] }],
      ] as const;
    });
    return { ...rows, ...Object.fromEntries(more) };
  }

  /** The captions that are ranked first for each picture. */
  async figures(split: string, count: number): Promise<string[]> {
    const pool = await this.#pool(split, POOL);
    const n = pool.length;
    const scores = await this.#scores(split, POOL);
    return Promise.all(
      pool.slice(0, count).map(({ sample }, i) => {
        const row = [...scores.subarray(i * n, (i + 1) * n)];
        const largest = Math.max(...row);
        const weights = row.map((score) => Math.exp(score - largest));
        const total = weights.reduce((sum, weight) => sum + weight, 0);
        const shown = likeliest(
          weights.map((weight) => weight / total),
          SHOWN,
        );
        const verdicts = shown.map(({ at, share }) => ({ text: pool[at]!.sample.caption, share, isRight: at === i }));
        return pictureFigure([sample], sample.caption, verdicts);
      }),
    );
  }

  async #pool(split: string, samples: number): Promise<{ sample: Sample }[]> {
    const length = Math.min(samples, this.dataset.size(split));
    const draw = async (_: unknown, i: number) => ({ sample: await this.dataset.sample(split, i) });
    return distinct(await Promise.all(Array.from({ length }, draw)), POOL);
  }

  async #scores(split: string, samples: number): Promise<Float64Array> {
    return scorePool(await this.#pool(split, samples), async (rows, images) => {
      const captions = rows.map(({ sample }) => sample);
      const { scores } = await compute(() => ({ scores: this.#score(captions, images) }));
      return scores;
    });
  }

  #score(captions: readonly Sample[], pictures: readonly Sample[] | ImageBatch, rng?: Rng): Tensor {
    const texts = captions.map(({ caption: text, record }) => ({ text, record }));
    return this.model.forward(taskInput(texts, pictures, this.context), rng ? { rng } : {}).scores;
  }
}
