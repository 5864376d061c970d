import { sumOfSquares } from "../autograd/functions/sum-of-squares.ts";
import { noGrad, type Parameter } from "../autograd/graph.ts";
import { add, div } from "../autograd/ops/arithmetic.ts";
import { greater, where } from "../autograd/ops/select.ts";
import { sqrt } from "../autograd/ops/transcendental.ts";
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

/**
 * The factor, [], that brings a gradient down to the length `maxNorm`; 1 when it is shorter (Pascanu et al. 2013). It is
 * computed where the gradient is, and not waited for.
 *
 * @param squared the square of its length, []
 */
export function clipFactor(squared: Tensor, maxNorm: number): Tensor {
  return noGrad(() => {
    const norm = sqrt(squared);
    return where(greater(norm, maxNorm), div(maxNorm, add(norm, 1e-6)), 1);
  });
}
