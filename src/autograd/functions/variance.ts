import type { Tensor } from "../../tensor/tensor.ts";
import { square, sub } from "../ops/arithmetic.ts";
import type { ReduceOptions } from "../ops/reduce.ts";
import { mean } from "./mean.ts";

/** Mean squared deviation from the mean over the named axes (divided by n, not n − 1). */
export function variance(x: Tensor, axes?: number | readonly number[], options?: ReduceOptions): Tensor {
  return mean(square(sub(x, mean(x, axes, { keepDims: true }))), axes, options);
}
