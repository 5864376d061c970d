import type { Tensor } from "../../tensor/tensor.ts";
import { applyFused, defineFused } from "../fused.ts";
import { detach } from "../graph.ts";
import { mul, sub } from "../ops/arithmetic.ts";
import { max } from "../ops/extrema.ts";
import { sum } from "../ops/reduce.ts";
import { exp, log } from "../ops/transcendental.ts";
import { onLastAxis } from "./last-axis.ts";

/** xᵢ − log Σⱼ exp(xⱼ) along an axis. Pull-back: x̄ = ȳ − softmax(x) Σ ȳ. */
export function logSoftmax(x: Tensor, axis = -1): Tensor {
  return onLastAxis("logSoftmax", x, axis, (rows) => applyFused(logSoftmaxFused, [rows], {}));
}

export const logSoftmaxFused = defineFused("logSoftmax", {
  infer: ([x]) => ({ shape: x!.shape, dtype: x!.dtype }),
  definition([x]) {
    const shifted = sub(x!, detach(max(x!, -1, { keepDims: true })));
    return sub(shifted, log(sum(exp(shifted), -1, { keepDims: true })));
  },
  vjp: ({ grad, out }) => [() => sub(grad, mul(exp(out), sum(grad, -1, { keepDims: true })))],
});
