import type { Tensor } from "../../tensor/tensor.ts";
import { add, mul, neg, sub } from "../ops/arithmetic.ts";
import { maximum } from "../ops/extrema.ts";
import { expandDims, transpose } from "../ops/layout.ts";
import { sum } from "../ops/reduce.ts";
import { cast, equal, where } from "../ops/select.ts";
import { exp, log } from "../ops/transcendental.ts";
import { logSumExp } from "./log-sum-exp.ts";

/**
 * The plan of `ipot` by the same iterations on logarithms: exp(−C/β) of a small β, which is 0 in float32 from C/β = 104
 * on, is never formed.
 *
 *   log Q = −Cᵀ/β + log Π,  f = −log N − log Σ e^(log Q + g),  g = −log M − log Σ e^(log Q + f),  log Π ← f + log Q + g
 *
 * @param cost [B, M, N]
 * @returns the plan [B, N, M]
 */
export function ipotInLogarithms(
  cost: Tensor,
  wordMask: Tensor,
  patchMask: Tensor,
  { beta, iterations }: { readonly beta: number; readonly iterations: number },
): Tensor {
  const valid = mul(expandDims(patchMask, 2), expandDims(wordMask, 1)); // int32 [B, N, M]
  const logCount = (mask: Tensor) => log(maximum(cast(sum(mask, [1, 2], { keepDims: true }), cost.dtype), 1));
  const [logWords, logPatches] = [logCount(expandDims(wordMask, 1)), logCount(expandDims(patchMask, 2))];
  const logKernel = where(valid, mul(transpose(cost), -1 / beta), -Infinity);
  let logPlan = where(valid, mul(transpose(cost), 0), -Infinity);
  let g: Tensor = neg(logWords); // [B, 1, 1], then [B, 1, M]
  for (let i = 0; i < iterations; i++) {
    const logQ = add(logKernel, logPlan);
    const f = logScale(add(logQ, g), 2, logPatches); // [B, N, 1]
    g = logScale(add(logQ, f), 1, logWords);
    logPlan = add(add(logQ, f), g);
  }
  return exp(logPlan);
}

/** −log count − log Σ eˣ; 0 where nothing takes part. */
function logScale(x: Tensor, axis: number, logCount: Tensor): Tensor {
  const total = logSumExp(x, axis, { keepDims: true });
  return where(equal(total, -Infinity), 0, sub(neg(logCount), total));
}
