import { ConfigError } from "../../tensor/errors.ts";
import type { Rng } from "../../tensor/rng.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { apply, definePrimitive } from "../primitive.ts";

/**
 * Sets each element to 0 with the given probability and divides the others by 1 − p (Srivastava et al. 2014, in the
 * inverted form). One number is drawn from `rng` as the seed of a counter-based generator, so that the same cells
 * fall on every device. Without an `rng` it is the identity: evaluation.
 */
export function dropout(x: Tensor, probability: number, rng?: Rng): Tensor {
  if (!(probability >= 0 && probability < 1))
    throw new ConfigError(`dropout: a probability of ${probability} is not in [0, 1)`);
  if (!rng || probability === 0) return x;
  return dropoutWith(x, probability, rng.bits());
}

const dropoutWith = (x: Tensor, probability: number, seed: number): Tensor =>
  apply(dropoutPrimitive, [x], { probability, seed });

const dropoutPrimitive = definePrimitive("dropout", {
  infer: ([x]) => ({ shape: x!.shape, dtype: x!.dtype }),
  vjp: ({ grad, attributes: { probability, seed } }) => [() => dropoutWith(grad, probability, seed)],
});
