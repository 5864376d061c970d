import type { Tensor } from "../../tensor/tensor.ts";
import { div, square, sub } from "../ops/arithmetic.ts";
import { count, type ReduceOptions, sum } from "../ops/reduce.ts";
import { mean } from "./mean.ts";

export interface VarianceOptions extends ReduceOptions {
  /** c of the divisor n − c: 0 unless given, 1 for the unbiased estimate of a sample (Bessel), PyTorch's default. */
  readonly correction?: number;
}

/**
 * Σ (x − mean x)² / (n − c) over the named axes, all of them unless named. NaN where n ≤ c (∞ if the values differ), as in
 * PyTorch, and over an empty axis.
 */
export function variance(x: Tensor, axes?: number | readonly number[], options: VarianceOptions = {}): Tensor {
  const { correction = 0, keepDims } = options;
  const deviations = square(sub(x, mean(x, axes, { keepDims: true })));
  return div(sum(deviations, axes, { keepDims }), Math.max(0, count(x, axes) - correction));
}
