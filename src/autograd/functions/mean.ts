import type { Tensor } from "../../tensor/tensor.ts";
import { mul } from "../ops/arithmetic.ts";
import { count, type ReduceOptions, sum } from "../ops/reduce.ts";

/** Arithmetic mean over the named axes, all of them unless named; NaN over an empty axis. */
export function mean(x: Tensor, axes?: number | readonly number[], options?: ReduceOptions): Tensor {
  return mul(sum(x, axes, options), 1 / count(x, axes));
}
