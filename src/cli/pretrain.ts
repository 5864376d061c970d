import path from "node:path";
import type { SingleBar } from "cli-progress";
import { getThreads } from "../tensor/devices.ts";
import { ConfigError } from "../tensor/errors.ts";
import { finishRun } from "../train/report/report.ts";
import { measureStep, type Run, resumeRun, startRun, train } from "../train/run.ts";
import type { SettingChanges } from "../train/settings.ts";
import { presetNames } from "../vilt/config.ts";
import {
  commonCommand,
  positiveNumber,
  printResult,
  randAugmentOption,
  remark,
  share,
  useDevice,
  wholeNumber,
} from "./options.ts";
import { formatDuration, progressBar, quoted, Smooth, watchInterruption } from "./progress.ts";
import { evaluationTable } from "./tables.ts";

/** `viltgrad pretrain`: trains a model on pictures with captions, judges it and draws what it learnt. */
export function pretrainCommand() {
  return commonCommand("pretrain", "pre-train a ViLT on pictures with captions: masked words, matching, alignment")
    .option("--preset <name>", `size of the model: ${presetNames.join(", ")}`, "tiny")
    .option(
      "--data <name>",
      "emoji-scenes, emoji-scenes-hard, or a folder of pictures with a captions file",
      "emoji-scenes",
    )
    .option("--output <folder>", "run folder (default: runs/<time>-<preset>)")
    .option("--resume <folder>", "go on with the run of this folder")
    .option("--from <folder>", "start from this run, or from this checkpoint folder of Hugging Face Transformers")
    .option("--steps <n>", "steps of training", wholeNumber(1))
    .option("--batch-size <n>", "pairs of a batch", wholeNumber(2))
    .option("--learning-rate <x>", "highest learning rate", positiveNumber)
    .option("--hard-negatives <x>", "part of the mismatched pairs with one point changed, from half-way on", share)
    .option(
      "--rand-augment <n,m>",
      "change training pictures by n operations of magnitude m, as 2,9",
      randAugmentOption,
    )
    .option("--no-whole-words", "hide each token for itself, not whole words (the paper's ablation)")
    .option("--masked-patches", "also hide patches and predict their brightness (the paper's ablation)", false)
    .option("--chinese-words", "hide whole Chinese words, not characters", false)
    .option("--truncate", "cut captions that are too long instead of refusing them", false)
    .option("--checkpoint-every <n>", "steps between checkpoints", wholeNumber(1), 200)
    .option("--evaluation-samples <n>", "samples of each split to judge by", wholeNumber(2), 400)
    .action(async (options, command) => {
      await useDevice(options);
      const given = command.options.flatMap((option) => {
        const name = option.attributeName();
        const isFixed = (FIXED_BY_A_RUN as readonly string[]).includes(name);
        return isFixed && command.getOptionValueSource(name) === "cli" ? [option.long!] : [];
      });
      const run = await openRun(options, given);
      const finished = await trainWithProgress(run, options.checkpointEvery, options.device);
      if (!finished) {
        const { step } = run.pretrainer;
        remark(`Saved after step ${step}. Go on with:  viltgrad pretrain --resume ${run.folder}`);
        if (options.json) printResult(true, { folder: run.folder, step, finished: false }, "");
        return;
      }
      remark("Judging and drawing …");
      const { evaluations, files } = await finishRun(run, {
        samples: options.evaluationSamples,
        command: commandOf(run),
      });
      const result = { folder: run.folder, step: run.pretrainer.step, finished: true, evaluations, files };
      printResult(
        options.json,
        result,
        `${evaluationTable(evaluations)}\n\nLook at ${path.join(run.folder, "report.html")}\nGo on with:  viltgrad finetune vqa --from ${quoted(run.folder)}`,
      );
    });
}

/** What of the settings can be said on the command line. */
const SETTINGS = [
  ...(["steps", "batchSize", "learningRate", "hardNegatives", "randAugment"] as const),
  ...(["wholeWords", "maskedPatches", "chineseWords"] as const),
] as const;
/** What a run that is resumed has settled already. */
const FIXED_BY_A_RUN = ["preset", "data", "output", "from", "seed", "truncate", ...SETTINGS] as const;

interface OpenOptions extends Readonly<Pick<SettingChanges, (typeof SETTINGS)[number]>> {
  readonly resume?: string | undefined;
  readonly output?: string | undefined;
  readonly from?: string | undefined;
  readonly preset: string;
  readonly data: string;
  readonly truncate: boolean;
  readonly seed: number;
}

function openRun(options: OpenOptions, given: readonly string[]): Promise<Run> {
  const { resume, output, from, preset, data, truncate, seed } = options;
  if (resume !== undefined) {
    if (given.length > 0)
      throw new ConfigError(`pretrain: a resumed run keeps its settings; leave out ${given.join(", ")}`);
    return resumeRun(resume);
  }
  const stamp = new Date().toISOString().slice(0, 19).replaceAll(":", "").replace("T", "-");
  const folder = output ?? path.join("runs", `${stamp}-${preset}`);
  const settings: SettingChanges = Object.fromEntries(SETTINGS.map((name) => [name, options[name]]));
  return startRun({ folder, preset, data: { name: data, truncate }, settings, seed, ...(from && { from }) });
}

/** What to type to get this run again. */
function commandOf({ state: { preset, data, settings, seed, from } }: Run): string {
  const { steps, batchSize, learningRate, hardNegatives, randAugment } = settings;
  return [
    `viltgrad pretrain --preset ${preset} --data ${quoted(data.name)} --seed ${seed}`,
    `--steps ${steps} --batch-size ${batchSize} --learning-rate ${learningRate}`,
    ...(from ? [`--from ${quoted(from)}`] : []),
    ...(hardNegatives ? [`--hard-negatives ${hardNegatives}`] : []),
    ...(randAugment ? [`--rand-augment ${Object.values(randAugment).join(",")}`] : []),
    ...(settings.wholeWords ? [] : ["--no-whole-words"]),
    ...(settings.maskedPatches ? ["--masked-patches"] : []),
    ...(settings.chineseWords ? ["--chinese-words"] : []),
    ...(data.truncate ? ["--truncate"] : []),
  ].join(" ");
}

async function trainWithProgress(run: Run, checkpointEvery: number, device: string): Promise<boolean> {
  const { state, pretrainer } = run;
  const left = state.settings.steps - pretrainer.step;
  remark(
    `Run folder ${run.folder}: ${pretrainer.model.countParameters().toLocaleString("en")} parameters, ${state.data.name}, device ${device}${device === "wasm" ? `, ${getThreads()} threads` : ""}`,
  );
  if (left > 0) {
    const seconds = await measureStep(run);
    remark(
      `A step takes about ${(seconds * 1000).toFixed(0)} ms: ${left} steps in about ${formatDuration(seconds * left)}.`,
    );
  }
  const interruption = watchInterruption();
  const progress = new Progress(run);
  try {
    return await train(run, {
      checkpointEvery,
      onStep: (metrics) => progress.show(metrics),
      shouldStop: interruption.happened,
    });
  } finally {
    progress.stop();
    interruption.end();
  }
}

type Shown = Parameters<NonNullable<Parameters<typeof train>[1]["onStep"]>>[0];

/** The bar on standard error: losses, accuracies, rates, memory and the time left, smoothed over recent steps. */
class Progress {
  readonly #bar: SingleBar;
  readonly #batchSize: number;
  readonly #smooth = new Smooth();
  #secondsPerStep = 0;

  constructor({ state, pretrainer }: Run) {
    this.#batchSize = state.settings.batchSize;
    const format =
      "{bar} {value}/{total} | mlm {mlm} itm {itm} wpa {wpa} | words {words} pairs {pairs} | {samples}/s {tokens} tok/s | {memory} MB | {left} left";
    this.#bar = progressBar(format);
    const dashes = {
      mlm: "-",
      itm: "-",
      wpa: "-",
      words: "-",
      pairs: "-",
      samples: "-",
      tokens: "-",
      memory: "-",
      left: "-",
    };
    this.#bar.start(state.settings.steps, pretrainer.step, dashes);
  }

  show({ step, seconds, tokens, mlmLoss, itmLoss, wpaLoss, mlmAccuracy, itmAccuracy }: Shown): void {
    this.#secondsPerStep = this.#smooth.average("seconds", seconds);
    const wpa = Object.values(wpaLoss).reduce((a, b) => a + b, 0);
    this.#bar.update(step, {
      mlm: this.#smooth.average("mlm", mlmLoss).toFixed(2),
      itm: this.#smooth.average("itm", itmLoss).toFixed(2),
      wpa: this.#smooth.average("wpa", wpa).toFixed(2),
      words: this.#smooth.average("words", mlmAccuracy).toFixed(2),
      pairs: this.#smooth.average("pairs", itmAccuracy).toFixed(2),
      samples: (this.#batchSize / this.#secondsPerStep).toFixed(0),
      tokens: (this.#smooth.average("tokens", tokens) / this.#secondsPerStep).toFixed(0),
      memory: (process.memoryUsage.rss() / 1e6).toFixed(0),
      left: formatDuration((this.#bar.getTotal() - step) * this.#secondsPerStep),
    });
  }

  stop(): void {
    this.#bar.stop();
  }
}
