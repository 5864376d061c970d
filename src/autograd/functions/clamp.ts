import { ConfigError } from "../../tensor/errors.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { greater, less, where } from "../ops/select.ts";

/**
 * min(max(x, low), high). NaN stays. The derivative is 1 in the closed interval and 0 outside, as in PyTorch.
 *
 * @param low −Infinity for none
 * @param high Infinity for none
 * @throws {ConfigError} when low is above high or one of them is NaN
 */
export function clamp(x: Tensor, low: number, high: number): Tensor {
  if (!(low <= high)) throw new ConfigError(`clamp: no number lies between ${low} and ${high}`);
  const raised = low === -Infinity ? x : where(less(x, low), low, x);
  return high === Infinity ? raised : where(greater(raised, high), high, raised);
}
