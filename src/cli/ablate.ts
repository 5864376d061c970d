import path from "node:path";
import type { SingleBar } from "cli-progress";
import { type AblationRow, ablate, measures } from "../train/ablation.ts";
import { writeFileAtomic } from "../train/files.ts";
import { formatSummary } from "../train/tasks/report.ts";
import { presetNames } from "../vilt/config.ts";
import { commonCommand, printResult, remark, useDevice, wholeNumber } from "./options.ts";
import { formatDuration, progressBar, Smooth, watchInterruption } from "./progress.ts";
import { formatTable } from "./tables.ts";

/** `viltgrad ablate`: the paper's ablations in miniature. */
export function ablateCommand() {
  return commonCommand("ablate", "the paper's ablations in miniature: what longer training, whole words, … are worth")
    .option("--preset <name>", `size of the model: ${presetNames.join(", ")}`, "tiny")
    .option("--data <name>", "what to pre-train on: emoji-scenes, emoji-scenes-hard, or a folder", "emoji-scenes")
    .option(
      "--output <folder>",
      "folder for the runs and the table; what it has already is gone on with",
      "runs/ablation",
    )
    .option("--steps <n>", "steps of pre-training, in the first row", wholeNumber(2), 1200)
    .option("--finetune-steps <n>", "steps of fine-tuning", wholeNumber(1), 600)
    .option("--seeds <n>", "train with this many seeds, from --seed on", wholeNumber(1), 1)
    .option("--evaluation-samples <n>", "validation examples to judge by", wholeNumber(2), 400)
    .action(async ({ output: folder, seeds, seed, ...options }) => {
      await useDevice(options);
      const { preset, data, steps, finetuneSteps: fineTuningSteps, evaluationSamples: samples } = options;
      const progress = new Progress();
      const interruption = watchInterruption();
      const ablation = { folder, preset, data, steps, fineTuningSteps, samples };
      let rows: AblationRow[] | null;
      try {
        rows = await ablate(
          { ...ablation, seeds: Array.from({ length: seeds }, (_, i) => seed + i) },
          {
            onStage: (stage, steps) => progress.start(stage, steps),
            onStep: (step, seconds) => progress.show(step, seconds),
            shouldStop: interruption.happened,
          },
        );
      } finally {
        progress.stop(); // a bar that goes on keeps the process alive
        interruption.end();
      }
      if (rows === null) {
        remark("Stopped; the same command goes on with what is done.");
        if (options.json) printResult(true, { folder, finished: false }, "");
        return;
      }
      const file = path.join(folder, "ablation.json");
      writeFileAtomic(file, `${JSON.stringify({ ...ablation, seed, seeds, rows }, null, 2)}\n`);
      printResult(
        options.json,
        { folder, finished: true, rows, file },
        `${ablationTable(rows)}\n\nIn numbers: ${file}`,
      );
    });
}

/** Validation scores of every variant; the last row is what guessing gets. */
function ablationTable(rows: readonly AblationRow[]): string {
  const labels = measures.map(({ label }) => label);
  const guess = labels.map((label) => rows[0]!.scores[label]!.chance.toFixed(3));
  return formatTable([
    ["validation", ...labels],
    ...rows.map(({ name, scores }) => [name, ...labels.map((label) => formatSummary(scores[label]!))]),
    ["guessing", ...guess],
  ]);
}

/** One bar on standard error for each stage. */
class Progress {
  #bar: SingleBar | undefined;
  #smooth = new Smooth();

  start(stage: string, steps: number): void {
    this.stop();
    this.#smooth = new Smooth();
    this.#bar = progressBar(`{bar} {value}/{total} | ${stage} | {left} left`);
    this.#bar.start(steps, 0, { left: "-" });
  }

  show(step: number, seconds: number): void {
    const left = (this.#bar?.getTotal() ?? 0) - step;
    this.#bar?.update(step, { left: formatDuration(left * this.#smooth.average("seconds", seconds)) });
  }

  stop(): void {
    this.#bar?.stop();
  }
}
