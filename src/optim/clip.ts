import { sumOfSquares } from "../autograd/functions/sum-of-squares.ts";
import { noGrad, type Parameter } from "../autograd/graph.ts";
import type { Tensor } from "../tensor/tensor.ts";

/** Euclidean norm of all gradients taken as one vector; parameters without one count as 0. */
export function globalNorm(parameters: Iterable<Parameter>): number {
  return noGrad(() => Math.sqrt(squaredNorm(parameters)?.item() ?? 0));
}

/** The square of `globalNorm`, [], without waiting for the device; null where no parameter has a gradient. */
export function squaredNorm(parameters: Iterable<Parameter>): Tensor | null {
  const gradients = [...parameters].flatMap(({ grad }) => grad ?? []);
  return gradients.length > 0 ? noGrad(() => sumOfSquares(gradients)) : null;
}

/** The factor that brings a gradient of this norm down to `maxNorm`; 1 when it is below (Pascanu et al. 2013). */
export function clipFactor(norm: number, maxNorm: number): number {
  return norm > maxNorm ? maxNorm / (norm + 1e-6) : 1;
}
