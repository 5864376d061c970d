import { checkNotEmpty } from "../../data/dataset.ts";
import { judgedSplits } from "../data-source.ts";
import type { Score } from "../evaluation/context.ts";
import type { Foundation } from "../foundation.ts";
import { type ArmName, arms, type FineTuningOptions, type FineTuningStep, fineTune, startArm } from "./fine-tuning.ts";
import { openTask, type TaskName } from "./open.ts";
import type { FineTuningSettings } from "./settings.ts";
import type { TaskScores, Trainee } from "./task.ts";

/** What one arm reached with one seed. */
export interface Trial {
  readonly arm: ArmName;
  readonly seed: number;
  readonly seconds: number;
  readonly losses: readonly FineTuningStep[];
  /** By split. */
  readonly scores: Readonly<Record<string, TaskScores>>;
}

export interface ComparisonOptions {
  readonly name: TaskName;
  readonly data: string;
  readonly foundation: Foundation;
  readonly settings: FineTuningSettings;
  readonly truncate: boolean;
  readonly seeds: readonly number[];
  readonly arms: readonly ArmName[];
  /** Most examples of each split to judge by. */
  readonly samples: number;
  /** Splits to judge on; all but the training split when not said. */
  readonly splits?: readonly string[];
}

export interface ComparisonEvents {
  /** Asked before each arm; what it answers is told of its steps. */
  readonly onArm?: (arm: ArmName, seed: number) => (step: FineTuningStep) => void;
  /** After training and before it is judged; `finished` is false when it had to stop. */
  readonly onTrained?: (trained: { trainee: Trainee; options: FineTuningOptions; finished: boolean }) => Promise<void>;
  readonly onTrial?: (trial: Trial) => void;
  readonly shouldStop?: () => boolean;
}

/**
 * Trains and judges every arm with every seed; stops early with what is done.
 *
 * @throws {DataError} for a split without examples to train with or to judge by, before any training
 */
export async function compare(options: ComparisonOptions, events: ComparisonEvents = {}): Promise<Trial[]> {
  const { name, data, foundation, settings, truncate, samples } = options;
  const trials: Trial[] = [];
  for (const seed of options.seeds)
    for (const arm of options.arms) {
      const task = await openTask(name, data, foundation.config, seed);
      const splits = options.splits ?? judgedSplits(task);
      const steps = arms[arm].trained ? settings.steps : 0;
      for (const split of steps > 0 ? ["train", ...splits] : splits)
        checkNotEmpty({ name: task.dataName, size: task.size }, split, "examples");
      const fineTuning = { task, foundation, truncate, seed, settings: { ...settings, steps } };
      const trainee = startArm(fineTuning, arms[arm]);
      const onStep = events.onArm?.(arm, seed);
      const losses: FineTuningStep[] = [];
      const finished = await fineTune(trainee, fineTuning, {
        onStep(step) {
          losses.push(step);
          onStep?.(step);
        },
        ...(events.shouldStop && { shouldStop: events.shouldStop }),
      });
      await events.onTrained?.({ trainee, options: fineTuning, finished });
      if (!finished) return trials;
      const scores: Record<string, TaskScores> = {};
      for (const split of splits) scores[split] = await trainee.evaluate(split, samples);
      const seconds = losses.reduce((total, step) => total + step.seconds, 0);
      const trial = { arm, seed, seconds, losses, scores };
      trials.push(trial);
      events.onTrial?.(trial);
      for (const parameter of trainee.model.parameters()) parameter.value.release("the end of its trial");
    }
  return trials;
}

/** Mean over seeds, with the standard deviation where there is more than one. */
export interface Summary extends Score {
  readonly deviation: number | null;
}

/** The scores of one arm on one split over all seeds, by what was asked. */
export function summarize(trials: readonly Trial[], arm: ArmName, split: string): Record<string, Summary> {
  const scores = trials.filter((trial) => trial.arm === arm).map((trial) => trial.scores[split]!);
  const summaries: Record<string, Summary> = {};
  for (const kind of new Set(scores.flatMap((each) => Object.keys(each)))) {
    const some = scores.flatMap((each) => each[kind] ?? []);
    const mean = (valueOf: (score: Score) => number) => some.reduce((sum, one) => sum + valueOf(one), 0) / some.length;
    const score = mean((one) => one.score);
    const variance = some.reduce((sum, one) => sum + (one.score - score) ** 2, 0) / (some.length - 1);
    const deviation = some.length > 1 ? Math.sqrt(variance) : null;
    summaries[kind] = { score, chance: mean((one) => one.chance), deviation };
  }
  return summaries;
}
