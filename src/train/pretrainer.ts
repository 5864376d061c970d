import { backward } from "../autograd/grad.ts";
import { AdamW } from "../optim/adamw.ts";
import { clipFactor, squaredNorm } from "../optim/clip.ts";
import { decayGroups } from "../optim/groups.ts";
import { polynomialDecay, type Schedule } from "../optim/schedules.ts";
import type { Placement } from "../tensor/create.ts";
import { Rng } from "../tensor/rng.ts";
import { scope } from "../tensor/scope.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { ViltConfig, WordPatchAlignmentConfig } from "../vilt/config.ts";
import { ViltForPretraining } from "../vilt/pretraining.ts";
import { type HostBatch, uploadBatch } from "./batches.ts";
import { countCorrect } from "./metrics.ts";
import type { TrainingSettings } from "./settings.ts";

/** What one step of training told. */
export interface StepMetrics {
  /** Steps taken, this one included. */
  readonly step: number;
  readonly learningRate: number;
  readonly loss: number;
  readonly mlmLoss: number;
  readonly itmLoss: number;
  /** Of masked patches, where the settings mask them. */
  readonly mppLoss?: number;
  /** One for each layer that is aligned, weighted, by the layer's name. */
  readonly wpaLoss: Readonly<Record<string, number>>;
  /** Of the masked tokens, and of the pairs of this batch. */
  readonly mlmAccuracy: number;
  readonly itmAccuracy: number;
  /** Length of the gradient before clipping. */
  readonly gradNorm: number;
}

export interface PretrainerOptions {
  readonly model: ViltConfig;
  readonly wordPatchAlignment: readonly WordPatchAlignmentConfig[];
  readonly settings: TrainingSettings;
  readonly seed: number;
  readonly placement?: Placement;
}

/** A model with its optimiser and schedule. All that is random in step n comes from the seed and n alone. */
export class Pretrainer {
  readonly model: ViltForPretraining;
  readonly optimizer: AdamW;
  readonly #schedule: Schedule;
  readonly #rng: Rng;

  constructor(readonly options: PretrainerOptions) {
    const { settings, seed, model, placement } = options;
    this.#rng = new Rng(seed);
    this.model = new ViltForPretraining(model, { rng: this.#rng.split("parameters"), ...placement });
    this.optimizer = new AdamW(decayGroups(this.model.namedParameters(), settings.weightDecay), settings);
    this.#schedule = polynomialDecay({
      warmupSteps: Math.round(settings.warmup * settings.steps),
      totalSteps: settings.steps,
    });
  }

  /** Steps taken. */
  get step(): number {
    return this.optimizer.stepCount;
  }

  /** One step: forward twice, backward once, clip, update. */
  async train(batch: HostBatch): Promise<StepMetrics> {
    const { settings, wordPatchAlignment, placement } = this.options;
    const learningRate = settings.learningRate * this.#schedule(this.step);
    let losses!: Losses;
    const squared = scope(() => {
      const rng = this.#rng.split(`step/${this.step}`);
      losses = this.model.losses(uploadBatch(batch, placement), { rng, wordPatchAlignment });
      keepResults(losses);
      backward(losses.total);
      return squaredNorm(this.model.parameters());
    }, "the end of the training step");
    const gradNorm = Math.sqrt(await readAndRelease(squared!));
    this.optimizer.step({ learningRate, gradScale: clipFactor(gradNorm, settings.clipNorm) });
    this.optimizer.zeroGrad();
    return { step: this.step, learningRate, gradNorm, ...(await readResults(losses, batch)) };
  }
}

async function readAndRelease(scalar: Tensor): Promise<number> {
  const [value] = await scalar.data();
  scalar.release("the training step, after reading it");
  return value!;
}

type Losses = ReturnType<ViltForPretraining["losses"]>;

/** What `readResults` reads. */
function resultsOf({
  total,
  maskedLanguageModeling: mlm,
  imageTextMatching: itm,
  wordPatchAlignment,
  maskedPatchPrediction: mpp,
}: Losses): Tensor[] {
  const alignments = wordPatchAlignment.map(({ loss }) => loss);
  const optional = [mlm.logits, mpp?.loss].flatMap((tensor) => tensor ?? []);
  return [total, mlm.loss, itm.loss, itm.logits, ...alignments, ...optional];
}

function keepResults(losses: Losses): void {
  for (const tensor of resultsOf(losses)) tensor.keep();
}

/** Waits for the device, reads, and gives the memory back. */
async function readResults(losses: Losses, batch: HostBatch) {
  const { total, maskedLanguageModeling: mlm, imageTextMatching: itm, wordPatchAlignment } = losses;
  const { maskedPatchPrediction: mpp } = losses;
  const item = async (x: Tensor) => (await x.data())[0]!;
  const classes = mlm.logits?.shape[1] ?? 1;
  const words = countCorrect((await mlm.logits?.data()) ?? [], mlm.labels, classes);
  const pairs = countCorrect(await itm.logits.data(), batch.matchingLabels, 2);
  const wpaLoss: Record<string, number> = {};
  for (const { config, loss } of wordPatchAlignment) wpaLoss[config.layer] = await item(loss);
  const metrics = {
    loss: await item(total),
    mlmLoss: await item(mlm.loss),
    itmLoss: await item(itm.loss),
    ...(mpp && { mppLoss: await item(mpp.loss) }),
    wpaLoss,
    mlmAccuracy: words.correct / Math.max(1, words.counted),
    itmAccuracy: pairs.correct / Math.max(1, pairs.counted),
  };
  for (const tensor of resultsOf(losses)) tensor.release("the training step, after reading it");
  return metrics;
}
