import type { Tensor } from "../../tensor/tensor.ts";
import { add, div, mul, neg } from "../ops/arithmetic.ts";
import { greater, where } from "../ops/select.ts";
import { exp, expm1, log1p, sigmoid } from "../ops/transcendental.ts";

/**
 * log(1 + e^(βx)) / β, with log(1 + eᶻ) as max(z, 0) + log(1 + e^(−|z|)), which never overflows: ∞ at ∞, 0 at −∞.
 * PyTorch's threshold, beyond which it answers x, is not needed. The derivative is σ(βx); derivatives of every order hold
 * at 0 too, where the two forms meet.
 */
export function softplus(x: Tensor, { beta = 1 }: { readonly beta?: number } = {}): Tensor {
  if (beta !== 1) return div(softplus(mul(x, beta)), beta);
  const isPositive = greater(x, 0);
  return add(where(isPositive, x, 0), log1p(exp(where(isPositive, neg(x), x))));
}

/** x σ(x), also called swish (Hendrycks and Gimpel 2016; Ramachandran et al. 2017); NaN at −∞, as in PyTorch. */
export function silu(x: Tensor): Tensor {
  return mul(x, sigmoid(x));
}

/** x where x > 0, else `slope` · x (Maas et al. 2013); the derivative at 0 is the slope, as in PyTorch. */
export function leakyRelu(x: Tensor, slope = 0.01): Tensor {
  return where(greater(x, 0), x, mul(x, slope));
}

/** x where x > 0, else α (eˣ − 1) (Clevert et al. 2016); −α at −∞; the derivative at 0 is α, as in PyTorch. */
export function elu(x: Tensor, alpha = 1): Tensor {
  const isPositive = greater(x, 0);
  return where(isPositive, x, mul(expm1(where(isPositive, 0, x)), alpha));
}
