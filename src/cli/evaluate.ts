import { DataError } from "../tensor/errors.ts";
import { modelOf, readCheckpoint } from "../train/checkpoint.ts";
import { judgedSplits, openDataset } from "../train/data-source.ts";
import { type Evaluation, evaluate } from "../train/evaluation/evaluation.ts";
import { RETRIEVAL_POOL } from "../train/report/report.ts";
import { commonCommand, printResult, useDevice, wholeNumber } from "./options.ts";
import { evaluationTable } from "./tables.ts";

/** `viltgrad evaluate`: a checkpoint's scores beside chance. */
export function evaluateCommand() {
  return commonCommand("evaluate", "matching, masked words, retrieval and pointing of a checkpoint, beside chance")
    .argument("<checkpoint>", "run folder or checkpoint file")
    .option("--data <name>", "data set to judge on (default: the one it was trained on)")
    .option("--split <names...>", "splits to judge on (default: all but the training split)")
    .option("--samples <n>", "most samples of each split", wholeNumber(2), 400)
    .option("--pool <n>", "most pictures among which retrieval chooses", wholeNumber(1), RETRIEVAL_POOL)
    .option("--truncate", "cut captions that are too long instead of refusing them", false)
    .action(async (file, options) => {
      await useDevice(options);
      const checkpoint = readCheckpoint(file);
      const { state } = checkpoint;
      const { model, tokenizer } = modelOf(checkpoint);
      const dataset = await openDataset(options.data ?? state.data.name, state.model, state.seed);
      const { wordPatchAlignment } = state;
      const truncate = options.truncate || state.data.truncate;
      const { samples, pool, seed } = options;
      const evaluations: Evaluation[] = [];
      for (const split of options.split ?? judgedSplits(dataset)) {
        if (dataset.size(split) === 0) throw new DataError(`${dataset.name}: the split "${split}" has no samples`);
        evaluations.push(
          await evaluate({ model, tokenizer, dataset, split, samples, pool, wordPatchAlignment, truncate, seed }),
        );
      }
      printResult(options.json, { step: state.step, evaluations }, evaluationTable(evaluations));
    });
}
