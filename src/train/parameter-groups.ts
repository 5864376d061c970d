import type { Parameter } from "../autograd/graph.ts";
import type { Module } from "../nn/module.ts";
import type { ParameterGroup } from "../optim/groups.ts";

export interface GroupOptions {
  readonly weightDecay: number;
  /** Of the learning rate of a new classifier: 10 for question answering in the original. Default: 1. */
  readonly headMultiplier?: number;
}

const CLASSIFIER = /^(answerClassifier|pairClassifier)\./;

/**
 * Matrices, tables and single vectors decay; biases and the scales of normalisations do not, but for the normalisation
 * inside a classifier, which the original's rule by names misses (specification §6).
 */
function decays(name: string, { shape }: Parameter): boolean {
  return shape.length >= 2 || (CLASSIFIER.test(name) && name.endsWith(".layerNorm.weight"));
}

/** The original's four groups: the body and the new classifiers, each with decay and without. */
export function fineTuningGroups(model: Module, { weightDecay, headMultiplier = 1 }: GroupOptions): ParameterGroup[] {
  const named = [...model.namedParameters()];
  return [false, true].flatMap((isHead) =>
    [true, false].map((decayed) => ({
      parameters: new Map(
        named.filter(([name, parameter]) => CLASSIFIER.test(name) === isHead && decays(name, parameter) === decayed),
      ),
      weightDecay: decayed ? weightDecay : 0,
      learningRateMultiplier: isHead ? headMultiplier : 1,
    })),
  );
}
