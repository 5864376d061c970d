import type { Parameter } from "../autograd/graph.ts";
import type { Tensor } from "../tensor/tensor.ts";

/** Parameters that share a weight decay and a multiple of the learning rate. */
export interface ParameterGroup {
  readonly parameters: ReadonlyMap<string, Parameter>;
  readonly weightDecay: number;
  readonly learningRateMultiplier?: number;
}

export interface StepOptions {
  readonly learningRate: number;
  /** Factor on all gradients, for clipping or for the mean over accumulated batches; a tensor [] is not waited for. */
  readonly gradScale?: number | Tensor;
}

/**
 * Decay for matrices and tables, none for biases and the scales of normalisations: a parameter of one axis is one of
 * the latter (the original's rule, said by role instead of by name).
 */
export function decayGroups(parameters: ReadonlyMap<string, Parameter>, weightDecay: number): ParameterGroup[] {
  const pick = (decayed: boolean) =>
    new Map([...parameters].filter(([, parameter]) => parameter.shape.length >= 2 === decayed));
  return [
    { parameters: pick(true), weightDecay },
    { parameters: pick(false), weightDecay: 0 },
  ];
}
