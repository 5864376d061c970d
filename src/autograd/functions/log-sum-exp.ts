import { normalizeAxes, reducedShape } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { detach } from "../graph.ts";
import { add, type Numeric, sub } from "../ops/arithmetic.ts";
import { max } from "../ops/extrema.ts";
import { reshape } from "../ops/layout.ts";
import { count, type ReduceOptions, sum } from "../ops/reduce.ts";
import { equal, where } from "../ops/select.ts";
import { exp, log } from "../ops/transcendental.ts";

/**
 * log Σ eˣ over the named axes, all of them unless named, computed as m + log Σ e^(x − m) with m the largest x.
 * Pull-back: x̄ = ȳ softmax(x).
 *
 * −∞ where all x are −∞, and over an empty axis, with a gradient of 0; ∞ where an x is ∞, with a gradient of NaN (∞ − ∞).
 *
 * @throws {ShapeError} when an axis is out of range or named twice
 */
export function logSumExp(
  x: Tensor,
  axes?: number | readonly number[],
  { keepDims = false }: ReduceOptions = {},
): Tensor {
  const reduced = normalizeAxes("logSumExp", axes, x.rank);
  const shift = shiftOf(x, reduced);
  const total = sum(exp(sub(x, shift)), reduced, { keepDims: true });
  const isNone = equal(total, 0);
  const out = where(isNone, -Infinity, add(log(where(isNone, 1, total)), shift));
  return keepDims ? out : reshape(out, reducedShape(x.shape, reduced, false));
}

/** The largest x where it is finite, else 0; a constant, since the result does not depend on it. */
function shiftOf(x: Tensor, axes: readonly number[]): Numeric {
  if (count(x, axes) === 0) return 0;
  const largest = detach(max(x, axes, { keepDims: true }));
  return where(equal(sub(largest, largest), 0), largest, 0); // ∞ − ∞ is NaN
}
