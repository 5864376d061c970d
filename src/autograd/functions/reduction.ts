import { ConfigError, ShapeError } from "../../tensor/errors.ts";
import { sameShape } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { sum } from "../ops/reduce.ts";
import { mean } from "./mean.ts";

/** What becomes of the losses of single elements: their mean, their sum, or nothing. */
export type Reduction = "mean" | "sum" | "none";

export interface LossOptions {
  /** Default: "mean". */
  readonly reduction?: Reduction;
}

/** The mean of no losses at all is NaN, as that of any empty tensor. @throws {ConfigError} for another word */
export function reduceLosses(operation: string, losses: Tensor, reduction: Reduction = "mean"): Tensor {
  switch (reduction) {
    case "none":
      return losses;
    case "sum":
      return sum(losses);
    case "mean":
      return mean(losses);
    default:
      throw new ConfigError(`${operation}: the reduction "${reduction}" is none of mean, sum and none`);
  }
}

/** Losses do not broadcast: [n, 1] against [n] would be n² losses. */
export function checkTarget(operation: string, x: Tensor, target: Tensor): void {
  if (!sameShape(x.shape, target.shape))
    throw new ShapeError(operation, "the target does not have the shape of the prediction", x, target);
}
