import { checkNotEmpty } from "../data/dataset.ts";
import { ConfigError } from "../tensor/errors.ts";
import { modelOf, readCheckpoint } from "../train/checkpoint.ts";
import { judgedSplits, openDataset } from "../train/data-source.ts";
import { type Evaluation, evaluate } from "../train/evaluation/evaluation.ts";
import { readFoundation } from "../train/foundation.ts";
import { isModelFolder } from "../train/model-folder.ts";
import { RETRIEVAL_POOL } from "../train/report/report.ts";
import { compare } from "../train/tasks/comparison.ts";
import { openTask, taskNames, tasks } from "../train/tasks/open.ts";
import { scoreTable } from "../train/tasks/report.ts";
import { fineTuningSettings } from "../train/tasks/settings.ts";
import { commonCommand, printResult, useDevice, wholeNumber } from "./options.ts";
import { evaluationTable, formatTable } from "./tables.ts";

/** `viltgrad evaluate`: a checkpoint's scores beside chance. */
export function evaluateCommand() {
  return commonCommand("evaluate", "matching, masked words, retrieval and pointing of a checkpoint, beside chance")
    .argument("<checkpoint>", "run folder or checkpoint file, or a folder that finetune wrote")
    .option("--data <name>", "data set to judge on (default: the one it was trained on)")
    .option("--split <names...>", "splits to judge on (default: all but the training split)")
    .option("--samples <n>", "most samples of each split", wholeNumber(2), 400)
    .option("--pool <n>", "most pictures among which retrieval chooses", wholeNumber(1), RETRIEVAL_POOL)
    .option("--truncate", "cut captions that are too long instead of refusing them", false)
    .action(async (file, options) => {
      await useDevice(options);
      if (isModelFolder(file)) return judgeTask(file, options);
      const checkpoint = readCheckpoint(file);
      const { state } = checkpoint;
      const { model, tokenizer } = modelOf(checkpoint);
      const dataset = await openDataset(options.data ?? state.data.name, state.model, state.seed);
      const { wordPatchAlignment } = state;
      const truncate = options.truncate || state.data.truncate;
      const { samples, pool, seed } = options;
      const evaluations: Evaluation[] = [];
      for (const split of options.split ?? judgedSplits(dataset)) {
        checkNotEmpty(dataset, split);
        evaluations.push(
          await evaluate({ model, tokenizer, dataset, split, samples, pool, wordPatchAlignment, truncate, seed }),
        );
      }
      printResult(options.json, { step: state.step, evaluations }, evaluationTable(evaluations));
    });
}

interface JudgeOptions {
  readonly data?: string | undefined;
  readonly split?: readonly string[] | undefined;
  readonly samples: number;
  readonly truncate: boolean;
  readonly seed: number;
  readonly json: boolean;
}

/** The scores of a model of a task, as it is. */
async function judgeTask(folder: string, { data, split, samples, truncate, seed, json }: JudgeOptions): Promise<void> {
  const foundation = await readFoundation(folder);
  const name = taskNames.find((name) => tasks[name].models === foundation.task);
  if (!name) throw new ConfigError(`evaluate: ${folder} is a model for ${foundation.task}, which has no scores`);
  const task = await openTask(name, data ?? tasks[name].data, foundation.config, seed);
  if (task.labels.join("\n") !== foundation.labels.join("\n"))
    throw new ConfigError(
      `evaluate: ${folder} chooses among other answers than those of ${data ?? tasks[name].data}; --data names what it was fine-tuned on`,
    );
  const settings = fineTuningSettings(tasks[name].settings);
  const options = { name, foundation, settings, truncate, samples, seeds: [seed], arms: ["zero-shot"] as const };
  const trials = await compare({ ...options, data: data ?? tasks[name].data, ...(split && { splits: split }) });
  printResult(json, { task: name, scores: trials[0]!.scores }, formatTable(scoreTable(trials, "zero-shot")));
}
