import type { Tensor } from "../../tensor/tensor.ts";
import { div, mul, sub } from "../ops/arithmetic.ts";
import { sum } from "../ops/reduce.ts";
import { equal, where } from "../ops/select.ts";
import { exp, log } from "../ops/transcendental.ts";
import { logWhereUsed } from "./log-where-used.ts";
import { checkTarget, type Reduction, reduceLosses } from "./reduction.ts";

export interface KlDivergenceOptions {
  /**
   * Default: "mean" over all elements, as in PyTorch. "batchMean" divides the sum by the length of the first axis,
   * which is the divergence of the definition where each row is a distribution.
   */
  readonly reduction?: Reduction | "batchMean";
  /** The target holds log-probabilities too. Default: false. */
  readonly logTarget?: boolean;
}

/**
 * KL(target ‖ input), element by element t (log t − x), with PyTorch's order of arguments: `input` holds the
 * log-probabilities of the model, `target` the probabilities it is measured against. Where t is 0 the term is 0,
 * whatever x is, and the gradient of t is that of −t x alone.
 *
 * @param input log-probabilities
 * @param target probabilities of the same shape, or log-probabilities with `logTarget`
 * @throws {ShapeError} when the shapes differ
 */
export function klDivergence(
  input: Tensor,
  target: Tensor,
  { reduction = "mean", logTarget = false }: KlDivergenceOptions = {},
): Tensor {
  checkTarget("klDivergence", input, target);
  const p = logTarget ? exp(target) : target;
  const isZero = equal(p, 0);
  const logP = logTarget ? where(isZero, 0, target) : log(where(isZero, 1, target));
  const terms = mul(p, sub(logP, logWhereUsed(p, input)));
  if (reduction === "batchMean") return div(sum(terms), input.shape[0] ?? 1);
  return reduceLosses("klDivergence", terms, reduction);
}
