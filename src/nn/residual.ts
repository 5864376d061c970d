import { add } from "../autograd/ops/arithmetic.ts";
import type { Rng } from "../tensor/rng.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { Dropout } from "./dropout.ts";
import type { Linear } from "./linear.ts";

/** residual + dropout(x Wᵀ + b); one fused operation where nothing is dropped. */
export function projectOnto(
  linear: Linear,
  dropout: Dropout,
  x: Tensor,
  { rng, residual }: { readonly rng?: Rng; readonly residual?: Tensor },
): Tensor {
  if (!dropout.isActive(rng)) return linear.forward(x, residual);
  const y = dropout.forward(linear.forward(x), rng);
  return residual ? add(residual, y) : y;
}
