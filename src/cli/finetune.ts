import { existsSync } from "node:fs";
import path from "node:path";
import { Argument } from "@commander-js/extra-typings";
import type { SingleBar } from "cli-progress";
import { ConfigError } from "../tensor/errors.ts";
import { judgedSplits } from "../train/data-source.ts";
import { readFoundation } from "../train/foundation.ts";
import { type ComparisonEvents, type ComparisonOptions, compare, type Trial } from "../train/tasks/comparison.ts";
import type { ArmName, FineTuningStep } from "../train/tasks/fine-tuning.ts";
import { taskNames, tasks } from "../train/tasks/open.ts";
import { comparisonRows, exampleFigures, scoreTable, writeFineTuned, writeTaskReport } from "../train/tasks/report.ts";
import { fineTuningSettings } from "../train/tasks/settings.ts";
import {
  commonCommand,
  positiveNumber,
  printResult,
  randAugmentOption,
  remark,
  useDevice,
  wholeNumber,
} from "./options.ts";
import { formatDuration, progressBar, quoted, Smooth, watchInterruption } from "./progress.ts";
import { formatTable } from "./tables.ts";

const BASELINES: readonly ArmName[] = ["from scratch", "text only", "pictures only"];

/** `viltgrad finetune`: trains what was pre-trained for a task, judges it and compares it with its baselines. */
export function finetuneCommand() {
  return commonCommand("finetune", "fine-tune a pre-trained model: questions, statements about two pictures, retrieval")
    .addArgument(new Argument("<task>", "what to learn").choices(taskNames))
    .requiredOption("--from <folder>", "run folder of pretrain, or a checkpoint folder of Hugging Face Transformers")
    .option(
      "--data <name>",
      `emoji-scenes, emoji-scenes-hard, or a folder with questions.jsonl, statements.jsonl or captions.jsonl (default: ${taskNames.map((name) => `${tasks[name].data} for ${name}`).join(", ")})`,
    )
    .option("--output <folder>", "folder for the model and its report (default: runs/<time>-<task>)")
    .option("--steps <n>", "steps of training", wholeNumber(0))
    .option(
      "--batch-size <n>",
      "examples of a batch (default: 64, of retrieval 8, each with 15 other captions)",
      wholeNumber(1),
    )
    .option("--learning-rate <x>", "highest learning rate", positiveNumber)
    .option(
      "--rand-augment <n,m>",
      "change training pictures by n operations of magnitude m, as 2,9",
      randAugmentOption,
    )
    .option("--baselines", "also train without pre-training, without pictures and without texts", false)
    .option("--seeds <n>", "train with this many seeds, from --seed on", wholeNumber(1), 1)
    .option("--evaluation-samples <n>", "examples of each split to judge by", wholeNumber(2), 400)
    .option("--truncate", "cut texts that are too long instead of refusing them", false)
    .action(async (name, options) => {
      const data = options.data ?? tasks[name].data;
      const stamp = new Date().toISOString().slice(0, 19).replaceAll(":", "").replace("T", "-");
      const folder = options.output ?? path.join("runs", `${stamp}-${name}`);
      if (existsSync(folder)) throw new ConfigError(`finetune: ${folder} exists already; --output names another`);
      await useDevice(options);
      const { steps, batchSize, learningRate, randAugment, seed, truncate } = options;
      const settings = fineTuningSettings(tasks[name].settings, { steps, batchSize, learningRate, randAugment });
      const comparison: ComparisonOptions = {
        ...{ name, data, truncate, settings, samples: options.evaluationSamples },
        foundation: await readFoundation(options.from),
        seeds: Array.from({ length: options.seeds }, (_, i) => seed + i),
        arms: [
          "pre-trained",
          ...(name === "retrieval" ? ["zero-shot" as const] : []),
          ...(options.baselines ? BASELINES : []),
        ],
      };
      await run(comparison, folder, commandOf(comparison, options.baselines), options.json);
    });
}

async function run(comparison: ComparisonOptions, folder: string, command: string, json: boolean): Promise<void> {
  let headline = "";
  let figures: Record<string, string[]> | undefined;
  const progress = new Progress(comparison.settings.steps);
  const interruption = watchInterruption();
  const events: ComparisonEvents = {
    onArm: (arm, seed) => progress.start(arm, seed),
    async onTrained({ trainee, options, finished }) {
      progress.stop();
      if (figures) return;
      headline = options.task.headline;
      writeFineTuned(folder, trainee, options);
      figures = finished ? await exampleFigures(trainee, judgedSplits(options.task)) : {};
    },
    onTrial: ({ arm, seed, scores }) => {
      const shown = Object.entries(scores).map(([split, score]) => `${split} ${score[headline]!.score.toFixed(3)}`);
      remark(`${arm}, seed ${seed}: ${shown.join(", ")}`);
    },
    shouldStop: interruption.happened,
  };
  let trials: Trial[];
  try {
    trials = await compare(comparison, events);
  } finally {
    progress.stop(); // a bar that goes on keeps the process alive
    interruption.end();
  }
  if (trials.length === 0) {
    remark(`Stopped; the model as it is now is in ${folder}.`);
    if (json) printResult(true, { folder, finished: false }, "");
    return;
  }
  const files = await writeTaskReport({
    folder,
    options: comparison,
    trials,
    headline,
    figures: figures ?? {},
    command,
  });
  const finished = trials.length === comparison.seeds.length * comparison.arms.length;
  const tables = [
    ...(comparison.arms.length * comparison.seeds.length > 1 ? [formatTable(comparisonRows(trials, headline))] : []),
    formatTable(scoreTable(trials, trials[0]!.arm)),
  ];
  const results = trials.map(({ losses, ...rest }) => rest);
  printResult(
    json,
    { task: comparison.name, folder, finished, trials: results, files },
    `${tables.join("\n\n")}\n\nLook at ${files.report}`,
  );
}

/** What to type to get this again. */
function commandOf(
  { name, data, settings, seeds, truncate, foundation, samples }: ComparisonOptions,
  baselines: boolean,
): string {
  const { steps, batchSize, learningRate, randAugment } = settings;
  return [
    `viltgrad finetune ${name} --from ${quoted(foundation.source)} --data ${quoted(data)} --seed ${seeds[0]}`,
    `--steps ${steps} --batch-size ${batchSize} --learning-rate ${learningRate} --evaluation-samples ${samples}`,
    ...(randAugment ? [`--rand-augment ${Object.values(randAugment).join(",")}`] : []),
    ...(baselines ? ["--baselines"] : []),
    ...(seeds.length > 1 ? [`--seeds ${seeds.length}`] : []),
    ...(truncate ? ["--truncate"] : []),
  ].join(" ");
}

/** The bar on standard error, one for each arm. */
class Progress {
  #bar: SingleBar | undefined;

  constructor(readonly steps: number) {}

  start(arm: ArmName, seed: number): (step: FineTuningStep) => void {
    const smooth = new Smooth();
    const bar = progressBar(`{bar} {value}/{total} | ${arm}, seed ${seed} | loss {loss} | {left} left`);
    bar.start(this.steps, 0, { loss: "-", left: "-" });
    this.#bar = bar;
    return ({ step, loss, seconds }) => {
      const left = formatDuration((this.steps - step) * smooth.average("seconds", seconds));
      bar.update(step, { loss: smooth.average("loss", loss).toFixed(3), left });
    };
  }

  stop(): void {
    this.#bar?.stop();
  }
}
