import type { Tensor } from "../../tensor/tensor.ts";
import { applyFused, defineFused } from "../fused.ts";
import { detach } from "../graph.ts";
import { div, mul, sub } from "../ops/arithmetic.ts";
import { max } from "../ops/extrema.ts";
import { sum } from "../ops/reduce.ts";
import { exp } from "../ops/transcendental.ts";
import { onLastAxis } from "./last-axis.ts";

/**
 * exp(xᵢ) / Σⱼ exp(xⱼ) along an axis, computed after subtracting the largest value.
 * Pull-back: x̄ = y ∘ (ȳ − Σ ȳ ∘ y).
 */
export function softmax(x: Tensor, axis = -1): Tensor {
  return onLastAxis("softmax", x, axis, (rows) => applyFused(softmaxFused, [rows], {}));
}

export const softmaxFused = defineFused("softmax", {
  infer: ([x]) => ({ shape: x!.shape, dtype: x!.dtype }),
  definition([x]) {
    const e = exp(sub(x!, detach(max(x!, -1, { keepDims: true }))));
    return div(e, sum(e, -1, { keepDims: true }));
  },
  vjp: ({ grad, out }) => [() => applyFused(softmaxBackwardFused, [out, grad], {})],
});

export const softmaxBackwardFused = defineFused("softmaxBackward", {
  infer: ([out]) => ({ shape: out!.shape, dtype: out!.dtype }),
  definition: ([out, grad]) => mul(out!, sub(grad!, sum(mul(grad!, out!), -1, { keepDims: true }))),
});
