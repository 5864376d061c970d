import * as z from "zod/mini";
import { ConfigError } from "../../tensor/errors.ts";
import { count, expectSchema } from "../../tensor/expect-schema.ts";
import { TrainingSettings } from "../settings.ts";

/** How a model is fine-tuned. */
const FineTuningSettings = z.extend(
  z.pick(TrainingSettings, {
    steps: true,
    batchSize: true,
    learningRate: true,
    warmup: true,
    weightDecay: true,
    beta1: true,
    beta2: true,
    clipNorm: true,
    randAugment: true,
  }),
  {
    /** Zero steps leave what was pre-trained as it is: zero-shot. */
    steps: z.int().check(z.minimum(0)),
    /** Rows of a batch; a picture with all its candidates is one row of retrieval. */
    batchSize: count,
  },
);
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
  const values = { ...defaults, ...Object.fromEntries(given) };
  return expectSchema(FineTuningSettings, values, "fine-tuning settings", ConfigError);
}
