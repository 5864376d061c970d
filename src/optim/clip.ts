import { noGrad, type Parameter } from "../autograd/graph.ts";
import { add, square } from "../autograd/ops/arithmetic.ts";
import { sum } from "../autograd/ops/reduce.ts";

/** Euclidean norm of all gradients taken as one vector; parameters without one count as 0. */
export function globalNorm(parameters: Iterable<Parameter>): number {
  const squared = noGrad(() => {
    const sums = [...parameters].flatMap(({ grad }) => (grad ? [sum(square(grad))] : []));
    return sums.length ? sums.reduce((a, b) => add(a, b)).item() : 0;
  });
  return Math.sqrt(squared);
}

/** The factor that brings a gradient of this norm down to `maxNorm`; 1 when it is below (Pascanu et al. 2013). */
export function clipFactor(norm: number, maxNorm: number): number {
  return norm > maxNorm ? maxNorm / (norm + 1e-6) : 1;
}
