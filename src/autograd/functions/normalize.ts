import type { Tensor } from "../../tensor/tensor.ts";
import { div } from "../ops/arithmetic.ts";
import { maximum } from "../ops/extrema.ts";
import { norm } from "./norm.ts";

/**
 * x / max(‖x‖, ε) along an axis: vectors of length 1, but for those shorter than ε (the zero vector stays 0, with the
 * derivative 1/ε).
 */
export function normalize(x: Tensor, axis = -1, eps = 1e-12): Tensor {
  return div(x, maximum(norm(x, axis, { keepDims: true }), eps));
}
