import type { Attributes } from "../../kernels.ts";
import type { CpuKernels, CpuView } from "./types.ts";
import { forEachRow } from "./views.ts";

/**
 * In place: parameter and moments are overwritten; each is computed in double precision and rounded when stored. The last
 * operand is gradScale.
 */
export const update: Pick<CpuKernels, "adamw" | "sgd"> = { adamw, sgd };

/**
 * The step of Adam's family, with g = gradScale · grad + gradientDecay · p:
 *
 *   m ← β₁ m + (1 − β₁) g,   v ← β₂ v + (1 − β₂) g²
 *   p ← (1 − decayBefore) p − stepSize · m / (√v + ε),   p ← p − decayAfter · p
 */
function adamw(operands: readonly CpuView[], _: CpuView, attributes: Attributes<"adamw">): void {
  const gradScale = operands.at(-1)!.data[0]!;
  for (let i = 0; i + 4 < operands.length; i += 4) adamwOf(operands.slice(i, i + 4), gradScale, attributes);
}

function adamwOf(
  [parameter, grad, m, v]: readonly CpuView[],
  gradScale: number,
  attributes: Attributes<"adamw">,
): void {
  const { beta1, beta2, eps, stepSize, gradientDecay, decayBefore, decayAfter } = attributes;
  forEachRow([parameter, grad, m, v], ([p, g, a, b], [stepP, stepG, stepA, stepB], length) => {
    for (let n = 0; n < length; n++) {
      const value = parameter.data[p + n * stepP];
      const slope = gradScale * grad.data[g + n * stepG] + gradientDecay * value;
      const mean = beta1 * m.data[a + n * stepA] + (1 - beta1) * slope;
      const square = beta2 * v.data[b + n * stepB] + (1 - beta2) * slope * slope;
      const moved = value - decayBefore * value - (stepSize * mean) / (Math.sqrt(square) + eps);
      m.data[a + n * stepA] = mean;
      v.data[b + n * stepB] = square;
      parameter.data[p + n * stepP] = moved - decayAfter * moved;
    }
  });
}

/**
 * SGD as in `torch.optim.SGD`, with g = gradScale · grad + weightDecay · p:
 *
 *   u ← momentum · u + g,   p ← p − lr · u,   or p ← p − lr (g + momentum · u) with Nesterov's look-ahead
 */
function sgd(operands: readonly CpuView[], _: CpuView, attributes: Attributes<"sgd">): void {
  const gradScale = operands.at(-1)!.data[0]!;
  for (let i = 0; i + 3 < operands.length; i += 3) sgdOf(operands.slice(i, i + 3), gradScale, attributes);
}

function sgdOf(
  [parameter, grad, velocity]: readonly CpuView[],
  gradScale: number,
  attributes: Attributes<"sgd">,
): void {
  const { learningRate, momentum, nesterov, weightDecay } = attributes;
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
