import type { Tensor } from "../../tensor/tensor.ts";
import { applyFused, defineFused } from "../fused.ts";
import { add, mul, neg, square } from "../ops/arithmetic.ts";
import { erf, exp } from "../ops/transcendental.ts";

/** x Φ(x) with Φ the normal distribution, in its exact form ½ x (1 + erf(x / √2)) (Hendrycks and Gimpel 2016). */
export function gelu(x: Tensor): Tensor {
  return applyFused(geluFused, [x], {});
}

/** Φ(x). */
const normalDistribution = (x: Tensor) => mul(add(erf(mul(x, Math.SQRT1_2)), 1), 0.5);
/** φ(x) = e^(−x²/2) / √(2π). */
const normalDensity = (x: Tensor) => mul(exp(mul(neg(square(x)), 0.5)), 1 / Math.sqrt(2 * Math.PI));

export const geluFused = defineFused("gelu", {
  infer: ([x]) => ({ shape: x!.shape, dtype: x!.dtype }),
  definition: ([x]) => mul(x!, normalDistribution(x!)),
  vjp: ({ grad, inputs: [x] }) => [() => applyFused(geluBackwardFused, [x!, grad], {})],
});

/** x̄ = ȳ (Φ(x) + x φ(x)). */
export const geluBackwardFused = defineFused("geluBackward", {
  infer: ([x]) => ({ shape: x!.shape, dtype: x!.dtype }),
  definition: ([x, grad]) => mul(grad!, add(normalDistribution(x!), mul(x!, normalDensity(x!)))),
});
