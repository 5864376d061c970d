import * as z from "zod";
import { ConfigError } from "../../tensor/errors.ts";
import { TrainingSettings } from "../settings.ts";

/** How a model is fine-tuned. */
const FineTuningSettings = TrainingSettings.pick({
  steps: true,
  batchSize: true,
  learningRate: true,
  warmup: true,
  weightDecay: true,
  beta1: true,
  beta2: true,
  clipNorm: true,
  randAugment: true,
}).extend({
  /** Zero steps leave what was pre-trained as it is: zero-shot. */
  steps: z.number().int().min(0),
  /** Rows of a batch; a picture with all its candidates is one row of retrieval. */
  batchSize: z.number().int().min(1),
});
export type FineTuningSettings = z.infer<typeof FineTuningSettings>;

/** The original's schedule and decay, with rates and steps for small models on drawn data. */
const defaults = {
  steps: 1000,
  batchSize: 64,
  learningRate: 1e-3,
  warmup: 0.1,
  weightDecay: 0.01,
  beta1: 0.9,
  beta2: 0.98,
  clipNorm: 1,
  randAugment: null,
};

export type FineTuningChanges = Partial<z.input<typeof FineTuningSettings>>;

/**
 * The default settings with changes, the later ones first; what is undefined changes nothing.
 *
 * @throws {ConfigError} naming the setting that does not fit
 */
export function fineTuningSettings(...changes: readonly FineTuningChanges[]): FineTuningSettings {
  const given = changes.flatMap((some) => Object.entries(some)).filter(([, value]) => value !== undefined);
  const result = FineTuningSettings.safeParse({ ...defaults, ...Object.fromEntries(given) });
  if (!result.success)
    throw new ConfigError(`fine-tuning settings: ${z.prettifyError(result.error).replaceAll("\n", " ")}`);
  return result.data;
}
