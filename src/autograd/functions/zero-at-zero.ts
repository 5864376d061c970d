import type { Tensor } from "../../tensor/tensor.ts";
import { equal, where } from "../ops/select.ts";

/**
 * f(s) for a root f, with f(0) = 0 and a derivative of 0 there instead of ∞. A root of a sum of powers has a kink where the
 * sum is 0; 0 is one of its subgradients, and keeps what follows finite.
 */
export function zeroAtZero(s: Tensor, f: (s: Tensor) => Tensor): Tensor {
  const isZero = equal(s, 0);
  return where(isZero, 0, f(where(isZero, 1, s)));
}
