import type { Tensor } from "../../tensor/tensor.ts";
import { applyFused, defineFused } from "../fused.ts";
import { add, mul, square } from "../ops/arithmetic.ts";
import { normalCdf, normalDensity, sigmoid } from "../ops/transcendental.ts";

export interface GeluOptions {
  /** "tanh" takes the approximation that GPT-2 and others were trained with, as PyTorch's option does. */
  readonly approximate?: "none" | "tanh";
}

/**
 * x Φ(x) with Φ the normal distribution, ½ x erfc(−x / √2) (Hendrycks and Gimpel 2016); NaN at −∞, as in PyTorch. In
 * float64 on `cpu` it is within 1.5 units in the last place, down to x = −37.5 where Φ(x) turns subnormal.
 */
export function gelu(x: Tensor, { approximate = "none" }: GeluOptions = {}): Tensor {
  return approximate === "tanh" ? geluTanh(x) : applyFused(geluFused, [x], {});
}

/** ½ x (1 + tanh u) with u = √(2/π) (x + 0.044715 x³), where ½ (1 + tanh u) = σ(2u) keeps the digits of its left tail. */
function geluTanh(x: Tensor): Tensor {
  const u = mul(mul(x, add(1, mul(square(x), 0.044715))), Math.sqrt(2 / Math.PI));
  return mul(x, sigmoid(mul(u, 2)));
}

export const geluFused = defineFused("gelu", {
  infer: ([x]) => ({ shape: x!.shape, dtype: x!.dtype }),
  definition: ([x]) => mul(x!, normalCdf(x!)),
  vjp: ({ grad, inputs: [x] }) => [() => applyFused(geluBackwardFused, [x!, grad], {})],
});

/** x̄ = ȳ (Φ(x) + x φ(x)). */
export const geluBackwardFused = defineFused("geluBackward", {
  infer: ([x]) => ({ shape: x!.shape, dtype: x!.dtype }),
  definition: ([x, grad]) => mul(grad!, add(normalCdf(x!), mul(x!, normalDensity(x!)))),
});
