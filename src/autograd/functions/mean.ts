import type { Tensor } from "../../tensor/tensor.ts";
import { div } from "../ops/arithmetic.ts";
import { count, type ReduceOptions, sum } from "../ops/reduce.ts";

/** Arithmetic mean over the named axes, all of them unless named; NaN over an empty axis. */
export function mean(x: Tensor, axes?: number | readonly number[], options?: ReduceOptions): Tensor {
  return div(sum(x, axes, options), count(x, axes));
}
