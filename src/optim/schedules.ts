import { ConfigError } from "../tensor/errors.ts";

/** Factor on the learning rate at an optimiser step, counted from 0. */
export type Schedule = (step: number) => number;

export interface WarmupOptions {
  readonly warmupSteps: number;
  readonly totalSteps: number;
}

function checkSteps(name: string, { warmupSteps, totalSteps }: WarmupOptions): void {
  if (!(warmupSteps >= 0 && totalSteps > warmupSteps))
    throw new ConfigError(`${name}: ${warmupSteps} warm-up steps of ${totalSteps} in all leave none to decay over`);
}

/**
 * Linear warm-up step / warmup, then polynomial decay end + (1 − end)(1 − (step − warmup) / (total − warmup))^power,
 * and `end` beyond `total`. The first step has factor 0 where there is a warm-up (ViLT's schedule, with power 1 and end 0).
 */
export function polynomialDecay({
  power = 1,
  end = 0,
  ...steps
}: WarmupOptions & { readonly power?: number; readonly end?: number }): Schedule {
  checkSteps("polynomialDecay", steps);
  const { warmupSteps, totalSteps } = steps;
  return (step) => {
    if (step < warmupSteps) return step / warmupSteps;
    if (step >= totalSteps) return end;
    return end + (1 - end) * (1 - (step - warmupSteps) / (totalSteps - warmupSteps)) ** power;
  };
}

/** Linear warm-up, then half a cosine wave from 1 to 0: ½ (1 + cos π t), t the share of the remaining steps done. */
export function cosineDecay(steps: WarmupOptions): Schedule {
  checkSteps("cosineDecay", steps);
  const { warmupSteps, totalSteps } = steps;
  return (step) => {
    if (step < warmupSteps) return step / warmupSteps;
    const t = Math.min(1, (step - warmupSteps) / (totalSteps - warmupSteps));
    return 0.5 * (1 + Math.cos(Math.PI * t));
  };
}
