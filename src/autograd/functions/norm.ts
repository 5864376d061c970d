import { ConfigError, ShapeError } from "../../tensor/errors.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { square } from "../ops/arithmetic.ts";
import { abs, max } from "../ops/extrema.ts";
import { count, type ReduceOptions, sum } from "../ops/reduce.ts";
import { pow, sqrt } from "../ops/transcendental.ts";
import { zeroAtZero } from "./zero-at-zero.ts";

export interface NormOptions extends ReduceOptions {
  /** At least 1; Infinity for the largest magnitude. */
  readonly p?: number;
}

/**
 * ‖x‖ₚ = (Σ |x|ᵖ)^(1/p) over the named axes, all of them unless named; for p = ∞ the largest |x|. 0 over an empty axis.
 *
 * The derivative is sign x for p = 1 (0 at 0), x / ‖x‖ for p = 2, that of the largest |x| for p = ∞ (ties share), and 0 for
 * every p where all x are 0. The sum of powers is formed as it stands: for p = 2 it overflows from |x| = 10¹⁵⁴ on.
 *
 * @throws {ConfigError} when p is below 1, where it is no norm, or NaN
 * @throws {ShapeError} when an axis is out of range or named twice, or for p = ∞ over an empty axis
 */
export function norm(x: Tensor, axes?: number | readonly number[], { p = 2, ...options }: NormOptions = {}): Tensor {
  if (!(p >= 1)) throw new ConfigError(`norm: p = ${p} is not at least 1`);
  if (p === 1) return sum(abs(x), axes, options);
  if (p === 2) return zeroAtZero(sum(square(x), axes, options), sqrt);
  if (p < Infinity) return zeroAtZero(sum(pow(abs(x), p), axes, options), (s) => pow(s, 1 / p));
  if (count(x, axes) === 0) throw new ShapeError("norm", "an empty axis has no largest magnitude", x);
  return max(abs(x), axes, options);
}
