import { existsSync } from "node:fs";
import path from "node:path";
import { ConfigError } from "../tensor/errors.ts";
import { CHECKPOINT_FILE } from "./checkpoint.ts";
import { readFoundation } from "./foundation.ts";
import { type Run, resumeRun, startRun, type TrainOptions, train } from "./run.ts";
import type { SettingChanges } from "./settings.ts";
import { type ComparisonEvents, compare, type Summary, summarize, type Trial } from "./tasks/comparison.ts";
import { type TaskName, tasks } from "./tasks/open.ts";
import { type FineTuningChanges, fineTuningSettings } from "./tasks/settings.ts";

/** One thing changed, in pre-training or in fine-tuning. */
interface Variant {
  readonly name: string;
  /** Of the steps of pre-training. */
  readonly times?: number;
  readonly pretraining?: SettingChanges;
  readonly fineTuning?: FineTuningChanges;
}

/**
 * The ablations of the paper (Kim et al. 2021, Table 5), each one thing beside the first row. RandAugment of magnitude 9
 * shifts small drawings out of sight, so that it has a third of that here.
 */
export const variants: readonly Variant[] = [
  { name: "as the paper" },
  { name: "half the steps", times: 0.5 },
  { name: "twice the steps", times: 2 },
  { name: "tokens masked, not whole words", pretraining: { wholeWords: false } },
  { name: "patches masked too", pretraining: { maskedPatches: true } },
  { name: "RandAugment in fine-tuning", fineTuning: { randAugment: { operations: 2, magnitude: 3 } } },
];

/** By what a variant is judged: tasks that it is fine-tuned for, and retrieval as it was pre-trained. */
export const measures = [
  { task: "vqa", arm: "pre-trained", headline: "all", label: "questions" },
  { task: "nlvr2", arm: "pre-trained", headline: "all", label: "statements" },
  { task: "retrieval", arm: "zero-shot", headline: "mean recall@1", label: "zero-shot recall@1" },
] as const satisfies readonly { task: TaskName; arm: string; headline: string; label: string }[];

export interface AblationOptions {
  /** Holds a run folder for each pre-training; one that is there already is gone on with. */
  readonly folder: string;
  readonly preset: string;
  readonly data: string;
  /** Of pre-training, in the first row. */
  readonly steps: number;
  readonly fineTuningSteps: number;
  readonly seeds: readonly number[];
  readonly samples: number;
}

export interface AblationEvents extends Pick<ComparisonEvents, "shouldStop"> {
  readonly onStage?: (stage: string, steps: number) => void;
  readonly onStep?: (step: number, seconds: number) => void;
}

/** One row: the scores on the validation split, by the label of the measure. */
export interface AblationRow {
  readonly name: string;
  readonly scores: Readonly<Record<string, Summary>>;
}

/**
 * Pre-trains and judges every variant; null when it had to stop, and the same call goes on later.
 *
 * @throws {ConfigError} when a run in the folder is of another preset or other data
 */
export async function ablate(options: AblationOptions, events: AblationEvents = {}): Promise<AblationRow[] | null> {
  const rows: AblationRow[] = [];
  for (const variant of variants) {
    const trials: Record<string, Trial[]> = {};
    for (const seed of options.seeds) {
      const source = await pretrained(variant, seed, options, events);
      if (source === null) return null;
      for (const measure of measures) {
        const done = await judge(source, variant, measure, seed, options, events);
        if (done === null) return null;
        trials[measure.label] = [...(trials[measure.label] ?? []), done];
      }
    }
    const scores = measures.map(({ label, arm, headline }) => {
      return [label, summarize(trials[label]!, arm, "validation")[headline]!] as const;
    });
    rows.push({ name: variant.name, scores: Object.fromEntries(scores) });
  }
  return rows;
}

/** The run folder of a variant's pre-training, trained to its end; null when it had to stop. */
async function pretrained(
  { name, times = 1, pretraining }: Variant,
  seed: number,
  { folder, preset, data, steps: most }: AblationOptions,
  { onStage, onStep, shouldStop }: AblationEvents,
): Promise<string | null> {
  const steps = Math.round(most * times);
  const changes = Object.entries(pretraining ?? {}).map(([key, value]) => `-${key}-${value}`);
  const runFolder = path.join(folder, `${steps}-steps${changes.join("")}-seed-${seed}`);
  const settings: SettingChanges = { steps, ...pretraining };
  const run: Run = existsSync(path.join(runFolder, CHECKPOINT_FILE))
    ? await resumeRun(runFolder)
    : await startRun({ folder: runFolder, preset, data: { name: data, truncate: false }, settings, seed });
  if (run.state.preset !== preset || run.state.data.name !== data)
    throw new ConfigError(
      `${runFolder}: pre-trained as ${run.state.preset} on ${run.state.data.name}, not ${preset} on ${data}; --output names another folder`,
    );
  if (run.pretrainer.step === steps) return runFolder; // of an earlier row, or of an earlier call
  onStage?.(`${name}, seed ${seed}: pre-training`, steps);
  const options: TrainOptions = {
    checkpointEvery: 200,
    onStep: ({ step, seconds }) => onStep?.(step, seconds),
    ...(shouldStop && { shouldStop }),
  };
  return (await train(run, options)) ? runFolder : null;
}

async function judge(
  source: string,
  { name: variant, fineTuning }: Variant,
  { task, arm, label }: (typeof measures)[number],
  seed: number,
  { fineTuningSteps, samples }: AblationOptions,
  { onStage, onStep, shouldStop }: AblationEvents,
): Promise<Trial | null> {
  const settings = fineTuningSettings(tasks[task].settings, { steps: fineTuningSteps }, fineTuning ?? {});
  const foundation = await readFoundation(source);
  const { data } = tasks[task];
  const trials = await compare(
    {
      ...{ name: task, data, foundation, settings, samples },
      truncate: false,
      seeds: [seed],
      arms: [arm],
      splits: ["validation"],
    },
    {
      onArm() {
        if (arm === "pre-trained") onStage?.(`${variant}, seed ${seed}: ${label}`, settings.steps);
        return ({ step, seconds }) => onStep?.(step, seconds);
      },
      ...(shouldStop && { shouldStop }),
    },
  );
  return trials[0] ?? null;
}
