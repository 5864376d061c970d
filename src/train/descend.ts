import { backward } from "../autograd/grad.ts";
import type { Module } from "../nn/module.ts";
import type { AdamW } from "../optim/adamw.ts";
import { clipFactor, squaredNorm } from "../optim/clip.ts";
import { scope } from "../tensor/scope.ts";
import type { Tensor } from "../tensor/tensor.ts";

export interface Descent {
  readonly learningRate: number;
  /** Longest gradient, over all parameters. */
  readonly clipNorm: number;
  /** Done between queueing the step and waiting for it, while other threads compute; it keeps its errors to itself. */
  readonly meanwhile?: (() => Promise<unknown>) | undefined;
}

/**
 * One step down a loss: forward, backward, clip, update. What `lossOf` makes is given back but for what it keeps.
 *
 * @returns the length of the gradient before clipping
 */
export async function descend(
  lossOf: () => Tensor,
  model: Module,
  optimizer: AdamW,
  { learningRate, clipNorm, meanwhile }: Descent,
): Promise<number> {
  const squared = scope(() => {
    backward(lossOf());
    const squared = squaredNorm(model.parameters());
    if (squared) optimizer.step({ learningRate, gradScale: clipFactor(squared, clipNorm) });
    optimizer.zeroGrad();
    return squared;
  }, "the end of the training step");
  await meanwhile?.();
  return squared ? Math.sqrt(await readAndRelease(squared)) : 0;
}

/** Waits for a scalar, reads it and gives it back. */
export async function readAndRelease(scalar: Tensor): Promise<number> {
  const [value] = await scalar.data();
  scalar.release("the training step, after reading it");
  return value!;
}
