import type { Tensor } from "../../tensor/tensor.ts";
import { sqrt } from "../ops/transcendental.ts";
import { type VarianceOptions, variance } from "./variance.ts";
import { zeroAtZero } from "./zero-at-zero.ts";

/**
 * Standard deviation, the root of `variance` with the same options. Where all values are equal it is 0 with a derivative of
 * 0, as in PyTorch.
 */
export function std(x: Tensor, axes?: number | readonly number[], options?: VarianceOptions): Tensor {
  return zeroAtZero(variance(x, axes, options), sqrt);
}
