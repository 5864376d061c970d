import { existsSync, statSync } from "node:fs";
import path from "node:path";
import { setImmediate } from "node:timers/promises";
import { segmentChinese } from "../data/chinese-segmenter.ts";
import type { CaptionedImages } from "../data/dataset.ts";
import { Tokenizer } from "../data/tokenizer.ts";
import { vocabularyOf } from "../data/vocabulary.ts";
import type { Placement } from "../tensor/create.ts";
import { ConfigError, DataError } from "../tensor/errors.ts";
import { getPreset } from "../vilt/config.ts";
import { patchGrid } from "../vilt/patch-mask.ts";
import { Batches } from "./batches.ts";
import {
  CHECKPOINT_FILE,
  type DataSource,
  pretrainerOf,
  type RunState,
  readCheckpoint,
  saveCheckpoint,
} from "./checkpoint.ts";
import { openDataset } from "./data-source.ts";
import { writeFileAtomic } from "./files.ts";
import { adopt, readFoundation } from "./foundation.ts";
import { Lookahead } from "./lookahead.ts";
import { MetricsLog } from "./metrics-log.ts";
import { Pretrainer, type StepMetrics } from "./pretrainer.ts";
import { type SettingChanges, trainingSettings } from "./settings.ts";

/** A pre-training with its data and its folder on the disk. */
export interface Run {
  readonly folder: string;
  readonly state: Omit<RunState, "step">;
  readonly pretrainer: Pretrainer;
  readonly dataset: CaptionedImages;
  readonly tokenizer: Tokenizer;
  readonly log: MetricsLog;
}

export interface NewRun {
  readonly folder: string;
  readonly preset: string;
  readonly data: DataSource;
  readonly settings: SettingChanges;
  readonly seed: number;
  /** A run folder, or a checkpoint folder of Hugging Face Transformers, whose model and vocabulary to start from. */
  readonly from?: string;
  readonly placement?: Placement;
}

/**
 * Starts a run in a folder that holds none yet.
 *
 * @throws {ConfigError} when it does: nothing is overwritten
 * @throws {DataError} naming the record of a caption that is too long, or the package that Chinese words need, before
 *   anything is written
 */
export async function startRun({ folder, preset, data, settings, seed, from, placement }: NewRun): Promise<Run> {
  if (existsSync(path.join(folder, CHECKPOINT_FILE)) || existsSync(path.join(folder, "config.json")))
    throw new ConfigError(
      `${folder}: there is a run in it already; --resume ${folder} goes on with it, --output names another`,
    );
  const { model: ofPreset, wordPatchAlignment } = getPreset(preset);
  const foundation = from === undefined ? null : await readFoundation(from, placement);
  const base = foundation?.config ?? ofPreset;
  const full = trainingSettings(preset, settings);
  if (full.chineseWords) segmentChinese(""); // fails where there is no segmenter
  const dataset = await openDataset(data.name, base, seed);
  if (dataset.size("train") < full.batchSize)
    throw new DataError(
      `${data.name}: ${dataset.size("train")} training samples do not fill a batch of ${full.batchSize}`,
    );
  const { needs } = dataset;
  const tokenizer = foundation
    ? new Tokenizer(foundation.vocabulary, from)
    : new Tokenizer(
        dataset.vocabulary(Math.max(base.vocabularySize, vocabularyOf(needs?.words ?? []).length)),
        data.name,
      );
  const maxTextLength = foundation ? base.maxTextLength : Math.max(base.maxTextLength, needs?.length ?? 0);
  const limits = { maxLength: maxTextLength, truncate: data.truncate };
  for (const { caption, record } of dataset.captions?.() ?? []) tokenizer.encode(caption, { ...limits, record });
  const maskedPatches = base.maskedPatches || full.maskedPatches;
  const model = { ...base, maxTextLength, maskedPatches, vocabularySize: tokenizer.vocabulary.length };
  const { vocabulary } = tokenizer;
  const state = { preset, model, wordPatchAlignment, settings: full, seed, data, vocabulary, ...(from && { from }) };
  const pretrainer = new Pretrainer({ ...state, ...(placement && { placement }) });
  if (foundation) adopt(pretrainer.model, foundation);
  // From here on the folder can be resumed, however early the run is killed.
  await saveCheckpoint(path.join(folder, CHECKPOINT_FILE), pretrainer, state);
  writeFileAtomic(path.join(folder, "config.json"), `${JSON.stringify(state, null, 2)}\n`);
  return { folder, state, pretrainer, dataset, tokenizer, log: new MetricsLog(metricsFile(folder), 0) };
}

/** Goes on with the run of a folder from its last checkpoint. @throws {DataError} when there is none or it cannot be read */
export async function resumeRun(folder: string, placement?: Placement): Promise<Run> {
  const checkpoint = readCheckpoint(folder);
  if (!statSync(folder).isDirectory()) throw new DataError(`${folder}: a run goes on in its folder; name that one`);
  const { step, ...state } = checkpoint.state;
  const pretrainer = pretrainerOf(checkpoint, placement);
  const dataset = await openDataset(state.data.name, state.model, state.seed);
  const tokenizer = new Tokenizer(state.vocabulary, checkpoint.file);
  return { folder, state, pretrainer, dataset, tokenizer, log: new MetricsLog(metricsFile(folder), step) };
}

const metricsFile = (folder: string) => path.join(folder, "metrics.jsonl");

export interface TrainOptions {
  /** Steps between checkpoints. */
  readonly checkpointEvery: number;
  readonly onStep?: (metrics: StepMetrics & { seconds: number; tokens: number }) => void;
  /** Asked before each step: true stops, with a checkpoint. */
  readonly shouldStop?: () => boolean;
}

/** Trains to the last step, or until it should stop; answers whether it got to the end. */
export async function train(run: Run, { checkpointEvery, onStep, shouldStop }: TrainOptions): Promise<boolean> {
  const { pretrainer, state, log } = run;
  const batches = batchesOf(run);
  const save = async () => {
    // In this order a crash between the two leaves steps too many in the log, never a gap; a resumed run drops them.
    log.flush();
    await saveCheckpoint(path.join(run.folder, CHECKPOINT_FILE), pretrainer, state);
  };
  const { steps } = state.settings;
  const ahead = new Lookahead(async (step) => {
    const batch = await batches.at(step);
    pretrainer.upload(batch);
    return batch;
  }, steps);
  while (pretrainer.step < steps) {
    // A step may be computed without a pause: without this one no signal and no timer would ever be served.
    await setImmediate();
    if (shouldStop?.()) {
      await save();
      return false;
    }
    const start = performance.now();
    const batch = await ahead.at(pretrainer.step);
    const metrics = await pretrainer.train(batch, () => ahead.look(pretrainer.step));
    const seconds = (performance.now() - start) / 1000;
    if (!Number.isFinite(metrics.loss) || !Number.isFinite(metrics.gradNorm))
      throw new DataError(
        `step ${metrics.step}: the loss is ${metrics.loss} and its gradient's length ${metrics.gradNorm}; the last checkpoint is kept, a smaller --learning-rate may help`,
      );
    log.add({ ...metrics, seconds });
    onStep?.({ ...metrics, seconds, tokens: tokensOf(batch, state.model.patchSize) });
    if (pretrainer.step % checkpointEvery === 0) await save();
  }
  await save();
  return true;
}

const batchesOf = ({ state, dataset, tokenizer }: Pick<Run, "state" | "dataset" | "tokenizer">) =>
  new Batches({
    ...{ dataset, tokenizer, settings: state.settings, seed: state.seed },
    ...{ maxTextLength: state.model.maxTextLength, patchSize: state.model.patchSize, truncate: state.data.truncate },
    ...(state.settings.chineseWords && { segment: (text: string) => segmentChinese(text) }),
  });

/** Tokens, of words and patches, that pass the transformer in the two passes of a step. */
function tokensOf({ texts, images, matchingImages }: Awaited<ReturnType<Batches["at"]>>, patchSize: number): number {
  const patches = [images, matchingImages].map(({ size, height, width }) => {
    const [rows, columns] = patchGrid({ height, width, patchSize });
    return size * (1 + rows * columns);
  });
  return 2 * texts.ids.length + patches[0]! + patches[1]!;
}

/** Seconds that a step takes here and now, measured on a copy of the run that is thrown away. */
export async function measureStep({ state, dataset, tokenizer }: Run, placement?: Placement): Promise<number> {
  const scratch = new Pretrainer({ ...state, ...(placement && { placement }) });
  const batches = batchesOf({ state, dataset, tokenizer });
  let seconds = 0;
  for (let step = 0; step < MEASURED_STEPS; step++) {
    const start = performance.now();
    await scratch.train(await batches.at(step));
    seconds = (performance.now() - start) / 1000;
  }
  for (const parameter of scratch.model.parameters()) parameter.value.release("the time estimate");
  for (const [, moment] of scratch.optimizer.moments()) moment.release("the time estimate");
  return seconds;
}
/** Enough for the engine to have compiled what it runs. */
const MEASURED_STEPS = 4;
