import { setImmediate } from "node:timers/promises";
import { noGrad } from "../../autograd/graph.ts";
import { concat, slice } from "../../autograd/ops/layout.ts";
import { Tokenizer } from "../../data/tokenizer.ts";
import { vocabularyOf } from "../../data/vocabulary.ts";
import { AdamW } from "../../optim/adamw.ts";
import { polynomialDecay } from "../../optim/schedules.ts";
import { DataError } from "../../tensor/errors.ts";
import { Rng } from "../../tensor/rng.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import type { ViltConfig } from "../../vilt/config.ts";
import { ImageTextMatchingHead } from "../../vilt/heads/image-text-matching.ts";
import { Vilt } from "../../vilt/model.ts";
import { descend, readAndRelease } from "../descend.ts";
import { adopt, type Foundation } from "../foundation.ts";
import { Lookahead } from "../lookahead.ts";
import { fineTuningGroups } from "../parameter-groups.ts";
import type { FineTuningSettings } from "./settings.ts";
import type { FineTuningTask, Sees, Trainee } from "./task.ts";

/** A model to train, and what it is to be compared with. */
export interface Arm {
  /** False: from random weights. */
  readonly pretrained: boolean;
  readonly sees: Sees;
  /** False: as it was pre-trained. */
  readonly trained: boolean;
}

const all: Sees = { pictures: true, texts: true };
/** The model itself, then its baselines: the same steps without pre-training, and without one of the two inputs. */
export const arms = {
  "pre-trained": { pretrained: true, sees: all, trained: true },
  "zero-shot": { pretrained: true, sees: all, trained: false },
  "from scratch": { pretrained: false, sees: all, trained: true },
  "text only": { pretrained: true, sees: { pictures: false, texts: true }, trained: true },
  "pictures only": { pretrained: true, sees: { pictures: true, texts: false }, trained: true },
} as const satisfies Record<string, Arm>;
export type ArmName = keyof typeof arms;

export interface FineTuningOptions {
  readonly task: FineTuningTask;
  readonly foundation: Foundation;
  readonly settings: FineTuningSettings;
  readonly truncate: boolean;
  readonly seed: number;
}

/** What the task makes of the foundation's configuration and vocabulary. */
export interface Grown {
  readonly config: ViltConfig;
  readonly tokenizer: Tokenizer;
}

/**
 * The foundation with room for the task: tokens for words that it does not know, places for longer texts, a modality
 * type for a second picture.
 *
 * @throws {DataError} naming the record of a text that is too long
 */
export function grow({ config, vocabulary, source }: Foundation, task: FineTuningTask, truncate: boolean): Grown {
  const known = new Tokenizer(vocabulary, source);
  const missing = (task.needs?.words ?? []).filter((word) =>
    known.tokenize(typeof word === "string" ? word : word.join("")).tokens.includes("[UNK]"),
  );
  const tokens = [...new Set([...vocabulary, ...vocabularyOf(missing)])];
  const tokenizer = new Tokenizer(tokens, source);
  const maxTextLength = Math.max(config.maxTextLength, task.needs?.length ?? 0);
  for (const { text, record } of task.texts()) tokenizer.encode(text, { maxLength: maxTextLength, truncate, record });
  const modalityTypes = Math.max(config.modalityTypes, task.modalityTypes);
  return { tokenizer, config: { ...config, maxTextLength, modalityTypes, vocabularySize: tokens.length } };
}

/** The model of an arm before training. */
export function startArm({ task, foundation, settings, truncate, seed }: FineTuningOptions, arm: Arm): Trainee {
  const { config, tokenizer } = grow(foundation, task, truncate);
  const rng = new Rng(seed).split("fine-tuning");
  const backbone = new Vilt(config, { rng: rng.split("backbone") });
  let matchingHead: ImageTextMatchingHead | null = null;
  if (arm.pretrained) {
    adopt(backbone, foundation, "backbone.");
    repeatModality(backbone, foundation.config.modalityTypes);
    if (foundation.weights.has("imageTextMatchingHead.dense.weight")) {
      matchingHead = new ImageTextMatchingHead(config.hiddenSize, { rng: null });
      adopt(matchingHead, foundation, "imageTextMatchingHead.");
    }
  }
  const { maxTextLength } = config;
  const context = { tokenizer, maxTextLength, truncate, settings, seed, sees: arm.sees };
  const trainee = task.trainee({ backbone, matchingHead, rng: rng.split("head") }, context);
  // A model that was fine-tuned for the same classes goes on with its own head.
  if (arm.pretrained && foundation.labels.join("\n") === task.labels.join("\n")) adopt(trainee.model, foundation);
  return trainee;
}

/** A second picture starts with the type of the first (specification §4.7). */
function repeatModality({ modalityTypeEmbedding }: Vilt, known: number): void {
  const { weight } = modalityTypeEmbedding.types;
  const added = weight.shape[0]! - known;
  if (added <= 0) return;
  weight.value = noGrad(() => {
    const last = slice(weight.value, 0, known - 1, known);
    return concat([slice(weight.value, 0, 0, known), ...Array<Tensor>(added).fill(last)], 0);
  });
}

export interface FineTuningStep {
  /** Steps taken, this one included. */
  readonly step: number;
  readonly loss: number;
  readonly seconds: number;
}

/**
 * Trains to the last step or until it should stop; answers whether it got to the end. All that is random in step n comes
 * from the seed and n alone.
 *
 * @throws {DataError} when the loss is no longer finite
 */
export async function fineTune(
  trainee: Trainee,
  { settings, seed, task }: Pick<FineTuningOptions, "settings" | "seed" | "task">,
  { onStep, shouldStop }: { onStep?: (step: FineTuningStep) => void; shouldStop?: () => boolean } = {},
): Promise<boolean> {
  const { steps, weightDecay, clipNorm } = settings;
  if (steps === 0) return true;
  const { model } = trainee;
  const groups = fineTuningGroups(model, { weightDecay, headMultiplier: task.headMultiplier });
  const optimizer = new AdamW(groups, settings);
  const schedule = polynomialDecay({ warmupSteps: Math.round(settings.warmup * steps), totalSteps: steps });
  const rng = new Rng(seed).split("fine-tuning/steps");
  const ahead = new Lookahead((step) => trainee.prepare(step), steps);
  for (let step = 0; step < steps; step++) {
    await setImmediate();
    if (shouldStop?.()) return false;
    const start = performance.now();
    const lossOf = await ahead.at(step);
    let total!: Tensor;
    const forward = () => {
      total = lossOf(rng.split(String(step))).keep();
      return total;
    };
    const learningRate = settings.learningRate * schedule(step);
    const meanwhile = () => ahead.look(step + 1);
    await descend(forward, model, optimizer, { learningRate, clipNorm, meanwhile });
    const loss = await readAndRelease(total);
    if (!Number.isFinite(loss))
      throw new DataError(`step ${step + 1}: the loss is ${loss}; a smaller --learning-rate may help`);
    onStep?.({ step: step + 1, loss, seconds: (performance.now() - start) / 1000 });
  }
  return true;
}
