import type { Attributes } from "../../kernels.ts";
import type { CpuKernels, CpuView } from "./types.ts";
import { forEachRow } from "./views.ts";

/** In place: parameter and moments are overwritten; each is computed in double precision and rounded when stored. */
export const update: Pick<CpuKernels, "adamw" | "sgd"> = { adamw, sgd };

/**
 * AdamW as in the original's optimiser (transformers 4.2, `optimization.AdamW`), with g = gradScale · grad:
 *
 *   m ← β₁ m + (1 − β₁) g,   v ← β₂ v + (1 − β₂) g²
 *   p ← p − lr √(1 − β₂ᵗ) / (1 − β₁ᵗ) · m / (√v + ε),   p ← p − lr · weightDecay · p
 *
 * ε is added before the bias correction and the decay acts on the updated parameter: other versions differ in both.
 */
function adamw([parameter, grad, m, v]: readonly CpuView[], _: CpuView, attributes: Attributes<"adamw">): void {
  const { learningRate, beta1, beta2, eps, weightDecay, step, gradScale } = attributes;
  const stepSize = (learningRate * Math.sqrt(1 - beta2 ** step)) / (1 - beta1 ** step);
  forEachRow([parameter, grad, m, v], ([p, g, a, b], [stepP, stepG, stepA, stepB], length) => {
    for (let n = 0; n < length; n++) {
      const slope = gradScale * grad.data[g + n * stepG];
      const mean = beta1 * m.data[a + n * stepA] + (1 - beta1) * slope;
      const square = beta2 * v.data[b + n * stepB] + (1 - beta2) * slope * slope;
      const moved = parameter.data[p + n * stepP] - (stepSize * mean) / (Math.sqrt(square) + eps);
      m.data[a + n * stepA] = mean;
      v.data[b + n * stepB] = square;
      parameter.data[p + n * stepP] = moved - learningRate * weightDecay * moved;
    }
  });
}

/**
 * SGD as in `torch.optim.SGD`, with g = gradScale · grad + weightDecay · p:
 *
 *   u ← momentum · u + g,   p ← p − lr · u,   or p ← p − lr (g + momentum · u) with Nesterov's look-ahead
 */
function sgd([parameter, grad, velocity]: readonly CpuView[], _: CpuView, attributes: Attributes<"sgd">): void {
  const { learningRate, momentum, nesterov, weightDecay, gradScale } = attributes;
  forEachRow([parameter, grad, velocity], ([p, g, u], [stepP, stepG, stepU], length) => {
    for (let n = 0; n < length; n++) {
      const value = parameter.data[p + n * stepP];
      const slope = gradScale * grad.data[g + n * stepG] + weightDecay * value;
      const speed = momentum * velocity.data[u + n * stepU] + slope;
      velocity.data[u + n * stepU] = speed;
      parameter.data[p + n * stepP] = value - learningRate * (nesterov ? slope + momentum * speed : speed);
    }
  });
}
