import { commonDType } from "../../tensor/dtype.ts";
import { ShapeError } from "../../tensor/errors.ts";
import { sameShape } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { add, div, mul, square } from "../ops/arithmetic.ts";
import { sqrt } from "../ops/transcendental.ts";
import { mean } from "./mean.ts";

/**
 * y = x / √(mean x² + ε) ∘ w over the last axis (Zhang and Sennrich 2019): layer normalisation without the mean.
 *
 * @param x [..., d]
 * @param weight [d]; 1 unless given
 * @param eps default: 10⁻⁶, that of LLaMA; the paper has none
 * @throws {ShapeError} when the last axis is missing or empty, or the weight is not of its length
 */
export function rmsNorm(x: Tensor, weight?: Tensor | null, eps = 1e-6): Tensor {
  if (!x.shape.at(-1)) throw new ShapeError("rmsNorm", "a last axis of at least one cell is needed", x);
  if (weight && !sameShape(weight.shape, x.shape.slice(-1)))
    throw new ShapeError("rmsNorm", "the weight does not have the length of the last axis", x, weight);
  commonDType("rmsNorm", weight ? [x, weight] : [x]);
  const standard = div(x, sqrt(add(mean(square(x), -1, { keepDims: true }), eps)));
  return weight ? mul(standard, weight) : standard;
}
