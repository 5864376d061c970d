import { readFileSync } from "node:fs";
import path from "node:path";
import { serialize } from "node:v8";
import { type CaptionedImages, checkIndex, checkSplit, type Sample, type Thing } from "../../src/data/dataset.ts";
import { vocabularyOf } from "../../src/data/vocabulary.ts";
import { CHECKPOINT_FILE } from "../../src/train/checkpoint.ts";
import { type NewRun, type Run, startRun, train } from "../../src/train/run.ts";
import type { TrainingSettings } from "../../src/train/settings.ts";
import "../support.ts";

export const range = (n: number) => [...Array(n).keys()];

/** Arrays of numbers and all around them as bytes: compared at once, where a comparison item by item takes minutes. */
export const bits = (value: unknown): Buffer => serialize(value);

/** A run small enough for a test: twelve steps of eight generated scenes. */
export const toyRun = (folder: string, settings: Partial<TrainingSettings> = {}): NewRun => ({
  ...{ folder, preset: "toy", seed: 3 },
  data: { name: "emoji-scenes", truncate: false },
  settings: { steps: 12, batchSize: 8, learningRate: 1e-3, hardNegatives: 0.5, ...settings },
});

export const startToyRun = (folder: string, settings?: Partial<TrainingSettings>): Promise<Run> =>
  startRun(toyRun(folder, settings));

export const every = { checkpointEvery: 4 };

/** Stops a run once it has taken so many steps. */
export const until = (run: Run, steps: number) =>
  train(run, { ...every, shouldStop: () => run.pretrainer.step === steps });

/** Every parameter, moment and setting of a run: equal bytes are equal bits. */
export const checkpointIn = (folder: string): Buffer => readFileSync(path.join(folder, CHECKPOINT_FILE));

/** The logged steps without what no two runs share. */
export function loggedIn(folder: string): Record<string, unknown>[] {
  const lines = readFileSync(path.join(folder, "metrics.jsonl"), "utf8").split("\n");
  if (lines.pop() !== "") throw new Error("the last line of the log has no end");
  return lines.map((line) => {
    const { seconds, ...rest } = JSON.parse(line) as Record<string, unknown>;
    if (!(typeof seconds === "number" && seconds >= 0)) throw new Error(`no seconds in ${line}`);
    return rest;
  });
}

/** Samples kept in memory, the same ones in both splits. */
export class ListedImages implements CaptionedImages {
  readonly name = "listed";
  readonly splits = ["train", "validation"];
  /** How far training was, at each sample that was asked for. */
  readonly progress: (number | undefined)[] = [];

  constructor(readonly samples: readonly Sample[]) {}

  size(split: string): number {
    checkSplit(this, split);
    return this.samples.length;
  }

  sample(split: string, index: number, options?: { progress?: number }): Sample {
    checkIndex(this, split, index);
    this.progress.push(options?.progress);
    return this.samples[index]!;
  }

  /** Words of four letters and more are cut into two pieces. */
  vocabulary(maxSize: number): string[] {
    const words = this.samples.flatMap(({ caption }) => caption.split(" "));
    const cut = words.map((word) => (word.length < 4 ? word : [word.slice(0, 2), word.slice(2)]));
    return vocabularyOf(cut).slice(0, maxSize);
  }
}

/** A picture of one value with a caption. */
export function listed(
  caption: string,
  { height = 16, width = 16, value = 0.5, things }: Partial<Sample> & { value?: number; things?: Thing[] } = {},
): Sample {
  return {
    ...{ image: new Float32Array(3 * height * width).fill(value), height, width, caption },
    ...{ picture: `${caption} ${value} ${height}×${width}`, record: `the sample "${caption}"` },
    ...(things && { things }),
  };
}
