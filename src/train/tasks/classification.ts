import { trainingOrder } from "../../data/dataset.ts";
import type { Examples } from "../../data/examples.ts";
import { Rng } from "../../tensor/rng.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import type { ViltTaskModel } from "../../vilt/huggingface.ts";
import { compute } from "../compute.ts";
import { chunks, type Score } from "../evaluation/context.ts";
import { argmaxOf, RunningMean } from "../metrics.ts";
import {
  type FineTuningTask,
  type TaskContext,
  type TaskScores,
  type Trainee,
  type TraineeStart,
  trainingOptions,
} from "./task.ts";

/** What makes a task of examples one of choosing a class. */
export interface Classification<Example extends { readonly kind: string }> {
  readonly examples: Examples<Example>;
  readonly labels: readonly string[];
  readonly modalityTypes: number;
  readonly headMultiplier: number;
  build(start: TraineeStart): ClassificationModel<Example>;
  /** How right each class is, in [0, 1]. */
  targets(example: Example): readonly number[];
  /** @param logits [B, classes] */
  loss(logits: Tensor, examples: readonly Example[]): Tensor;
  /** HTML of an example with what a model makes of it. @param logits one for each class */
  figure(example: Example, logits: readonly number[]): Promise<string>;
}

export interface ClassificationModel<Example> {
  readonly model: ViltTaskModel;
  /** @param rng draws dropout; none in evaluation */
  logits(examples: readonly Example[], context: TaskContext, rng?: Rng): Tensor;
}

/** The task that examples and their classes make. */
export function classificationTask<Example extends { readonly kind: string }>(
  classification: Classification<Example>,
): FineTuningTask {
  const { examples, labels, modalityTypes, headMultiplier } = classification;
  return {
    ...{ headline: "all", labels, modalityTypes, headMultiplier, dataName: examples.name, splits: examples.splits },
    size: (split) => examples.size(split),
    ...(examples.needs && { needs: examples.needs }),
    texts: () => examples.texts?.() ?? [],
    trainee: (start, context) => new ClassificationTrainee(classification, classification.build(start), context),
  };
}

class ClassificationTrainee<Example extends { readonly kind: string }> implements Trainee {
  readonly model: ViltTaskModel;
  readonly #order: (position: number) => number;

  constructor(
    readonly task: Classification<Example>,
    readonly built: ClassificationModel<Example>,
    readonly context: TaskContext,
  ) {
    this.model = built.model;
    this.#order = trainingOrder(task.examples.size("train"), new Rng(context.seed).split("fine-tuning/order"));
  }

  async prepare(step: number): Promise<(rng: Rng) => Tensor> {
    const { batchSize } = this.context.settings;
    const examples = await Promise.all(
      Array.from({ length: batchSize }, (_, b) => {
        const index = this.#order(step * batchSize + b);
        return this.task.examples.example("train", index, trainingOptions(step, index, this.context));
      }),
    );
    return (rng) => this.task.loss(this.built.logits(examples, this.context, rng), examples);
  }

  async evaluate(split: string, samples: number): Promise<TaskScores> {
    const examples = await this.#first(split, samples);
    const logits = await this.#logits(examples);
    return scoresByKind(
      examples.map((example, i) => ({ kind: example.kind, logits: logits[i]!, targets: this.task.targets(example) })),
    );
  }

  async figures(split: string, count: number): Promise<string[]> {
    const examples = await this.#first(split, count);
    const logits = await this.#logits(examples);
    return Promise.all(examples.map((example, i) => this.task.figure(example, logits[i]!)));
  }

  #first(split: string, count: number): Promise<Example[]> {
    const length = Math.min(count, this.task.examples.size(split));
    return Promise.all(Array.from({ length }, async (_, i) => this.task.examples.example(split, i)));
  }

  /** [examples][classes] */
  async #logits(examples: readonly Example[]): Promise<number[][]> {
    const rows: number[][] = [];
    for (const some of chunks(examples)) {
      const { logits } = await compute(() => ({ logits: this.built.logits(some, this.context) }));
      const classes = logits.length / some.length;
      for (let b = 0; b < some.length; b++) rows.push([...logits.slice(b * classes, (b + 1) * classes)]);
    }
    return rows;
  }
}

interface Judged {
  readonly kind: string;
  readonly logits: readonly number[];
  readonly targets: readonly number[];
}

/**
 * How right the likeliest class is, on the mean, over all and by kind. Chance is the one class that is right most often
 * within a kind: what the kind alone tells.
 */
export function scoresByKind(judged: readonly Judged[]): TaskScores {
  const kinds = [...new Set(judged.map(({ kind }) => kind))].sort();
  const scores: [string, Score][] = [];
  const [score, chance] = [new RunningMean(), new RunningMean()];
  for (const kind of kinds) {
    const some = judged.filter((one) => one.kind === kind);
    const right = some.reduce((sum, { logits, targets }) => sum + targets[argmaxOf(logits)]!, 0) / some.length;
    const means = some[0]!.targets.map((_, c) => some.reduce((sum, { targets }) => sum + targets[c]!, 0) / some.length);
    scores.push([kind, { score: right, chance: Math.max(...means) }]);
    score.add(right, some.length);
    chance.add(Math.max(...means), some.length);
  }
  return { all: { score: score.mean, chance: chance.mean }, ...Object.fromEntries(scores) };
}
