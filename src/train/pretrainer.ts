import { AdamW } from "../optim/adamw.ts";
import { decayGroups } from "../optim/groups.ts";
import { polynomialDecay, type Schedule } from "../optim/schedules.ts";
import type { Placement } from "../tensor/create.ts";
import { Rng } from "../tensor/rng.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { ViltConfig, WordPatchAlignmentConfig } from "../vilt/config.ts";
import { type PretrainingBatch, ViltForPretraining } from "../vilt/pretraining.ts";
import { type HostBatch, uploadBatch } from "./batches.ts";
import { descend } from "./descend.ts";
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
  /** What has been uploaded for the next step. */
  #next: { readonly batch: HostBatch; readonly input: PretrainingBatch } | null = null;

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

  /** Uploads a batch before its step, which then begins with computing; `train` uploads what has not been. */
  upload(batch: HostBatch): void {
    this.#next?.input.pixelValues.release(REPLACED);
    this.#next?.input.matchingPixelValues.release(REPLACED);
    this.#next = null;
    const input = uploadBatch(batch, this.options.placement);
    input.pixelValues.keep();
    input.matchingPixelValues.keep();
    this.#next = { batch, input };
  }

  /** The batch on the device; the pictures belong to the scope that is open. */
  #take(batch: HostBatch): PretrainingBatch {
    if (this.#next?.batch !== batch) return uploadBatch(batch, this.options.placement);
    const { input } = this.#next;
    this.#next = null;
    return {
      ...input,
      pixelValues: handOver(input.pixelValues),
      matchingPixelValues: handOver(input.matchingPixelValues),
    };
  }

  /**
   * One step: forward twice, backward once, clip, update.
   *
   * @param meanwhile done once the step is queued and counted, before its results are waited for; it must not fail
   */
  async train(batch: HostBatch, meanwhile?: () => Promise<unknown>): Promise<StepMetrics> {
    const { settings, wordPatchAlignment } = this.options;
    const learningRate = settings.learningRate * this.#schedule(this.step);
    let losses!: Losses;
    const lossOf = () => {
      const rng = this.#rng.split(`step/${this.step}`);
      losses = this.model.losses(this.#take(batch), { rng, wordPatchAlignment });
      keepResults(losses);
      return losses.total;
    };
    const { clipNorm } = settings;
    const gradNorm = await descend(lossOf, this.model, this.optimizer, { learningRate, clipNorm, meanwhile });
    return { step: this.step, learningRate, gradNorm, ...(await readResults(losses, batch)) };
  }
}

const REPLACED = "the pretrainer, which got another batch";

/** A handle that the scope looks after, in place of one that was kept. */
function handOver(kept: Tensor): Tensor {
  const scoped = kept.alias();
  kept.release("the training step, which took it");
  return scoped;
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

/** Waits for the device once, reads all, and gives the memory back. */
async function readResults(losses: Losses, batch: HostBatch) {
  const { total, maskedLanguageModeling: mlm, imageTextMatching: itm, wordPatchAlignment } = losses;
  const { maskedPatchPrediction: mpp } = losses;
  const values = new Map(await Promise.all(resultsOf(losses).map(async (x) => [x, await x.data()] as const)));
  const item = (x: Tensor) => values.get(x)![0]!;
  const words = countCorrect(mlm.logits ? values.get(mlm.logits)! : [], mlm.labels, mlm.logits?.shape[1] ?? 1);
  const pairs = countCorrect(values.get(itm.logits)!, batch.matchingLabels, 2);
  const wpaLoss: Record<string, number> = {};
  for (const { config, loss } of wordPatchAlignment) wpaLoss[config.layer] = item(loss);
  const metrics = {
    loss: item(total),
    mlmLoss: item(mlm.loss),
    itmLoss: item(itm.loss),
    ...(mpp && { mppLoss: item(mpp.loss) }),
    wpaLoss,
    mlmAccuracy: words.correct / Math.max(1, words.counted),
    itmAccuracy: pairs.correct / Math.max(1, pairs.counted),
  };
  for (const tensor of resultsOf(losses)) tensor.release("the training step, after reading it");
  return metrics;
}
