import * as z from "zod/mini";
import { type AugmentListName, GREATEST_MAGNITUDE } from "../data/rand-augment.ts";
import { ConfigError } from "../tensor/errors.ts";
import { count, expectSchema, fraction, positive } from "../tensor/expect-schema.ts";
import { getPreset, type PresetName } from "../vilt/config.ts";

const RandAugmentSettings = z.strictObject({
  operations: count,
  magnitude: z.number().check(z.minimum(0), z.maximum(GREATEST_MAGNITUDE)),
  list: z._default(z.enum(["original", "slide"] satisfies AugmentListName[]), "original"),
});

/** How a model is pre-trained; with the model's own configuration, the seed and the data, it determines every bit. */
export const TrainingSettings = z.strictObject({
  steps: count,
  batchSize: z.int().check(z.minimum(2)),
  learningRate: positive,
  /** Part of the steps over which the learning rate rises from 0; it then falls linearly to 0. */
  warmup: fraction,
  weightDecay: z.number().check(z.minimum(0)),
  beta1: fraction,
  beta2: fraction,
  /** Longest gradient, over all parameters. */
  clipNorm: positive,
  /** Part of the tokens that are hidden. */
  maskProbability: z.number().check(z.gt(0), z.lt(1)),
  /** Hides whole words; without it each token for itself (the paper's ablation, Table 5). */
  wholeWords: z._default(z.boolean(), true),
  /** Also hides patches and predicts their brightness, in a third pass (the paper's ablation, Table 5). */
  maskedPatches: z._default(z.boolean(), false),
  /** `previous`: the second half of a batch gets the picture of the row before; `drawn`: the original's random rule. */
  pairing: z.enum(["previous", "drawn"]),
  /**
   * Part of the mismatched pairs that get, in the second half of training, the caption's own picture with one point
   * changed, where the data set can do that.
   */
  hardNegatives: z._default(z.number().check(z.minimum(0), z.maximum(1)), 0),
  /**
   * RandAugment at training samples: how many operations, and how strong. Pictures are shifted by pixels of their own
   * size, which at magnitude 9 is little of a photograph and most of a small drawing.
   */
  randAugment: z._default(z.nullable(RandAugmentSettings), null),
  /** Hides whole Chinese words, which a segmenter finds, and not each character for itself. */
  chineseWords: z._default(z.boolean(), false),
});
export type TrainingSettings = z.infer<typeof TrainingSettings>;
/** Settings that differ from those of a preset; what has a default need not be said. */
export type SettingChanges = Partial<z.input<typeof TrainingSettings>>;

/** The batch belongs to the preset of the model. */
type Settings = Omit<TrainingSettings, "batchSize">;

const recipe: Settings = {
  steps: 2400,
  learningRate: 3e-3,
  warmup: 0.05,
  weightDecay: 0.01,
  beta1: 0.9,
  beta2: 0.98,
  clipNorm: 1,
  maskProbability: 0.3,
  wholeWords: true,
  maskedPatches: false,
  pairing: "previous",
  hardNegatives: 0,
  randAugment: null,
  chineseWords: false,
};

/** Settings that go with the model presets of the same names. */
const presets: Readonly<Record<PresetName, Settings>> = {
  toy: recipe,
  tiny: recipe,
  small: { ...recipe, learningRate: 1e-3 },
  // The published run (Kim et al. 2021, §4.2), for those who have the machines.
  b32: {
    ...recipe,
    ...{ steps: 100_000, learningRate: 1e-4, warmup: 0.1, clipNorm: 1e9, maskProbability: 0.15 },
    pairing: "drawn",
  },
};

/** The settings of a preset with some of them changed. @throws {ConfigError} naming the preset or the setting that does not fit */
export function trainingSettings(preset: string, changes: SettingChanges = {}): TrainingSettings {
  const { batchSize } = getPreset(preset);
  const given = Object.fromEntries(Object.entries(changes).filter(([, value]) => value !== undefined));
  return parseSettings({ ...presets[preset as PresetName], batchSize, ...given }, "training settings");
}

/** @param where what the settings were read from, for the message */
export function parseSettings(values: unknown, where: string): TrainingSettings {
  return expectSchema(TrainingSettings, values, where, ConfigError);
}
