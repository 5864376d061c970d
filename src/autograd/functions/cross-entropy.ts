import { isFloat } from "../../tensor/dtype.ts";
import { ConfigError, DTypeError, ShapeError } from "../../tensor/errors.ts";
import { normalizeAxis, reducedShape, sameShape, sizeOf } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { applyFused, defineFused } from "../fused.ts";
import { add, div, mul, neg, sub } from "../ops/arithmetic.ts";
import { maximum } from "../ops/extrema.ts";
import { gather, putAlongAxis, takeAlongAxis } from "../ops/indexing.ts";
import { expandDims, permute, reshape } from "../ops/layout.ts";
import { sum } from "../ops/reduce.ts";
import { cast, equal, greaterEqual, where } from "../ops/select.ts";
import { exp } from "../ops/transcendental.ts";
import { logSoftmax } from "./log-softmax.ts";
import { logWhereUsed } from "./log-where-used.ts";
import { type LossOptions, reduceLosses } from "./reduction.ts";

export interface CrossEntropyOptions extends LossOptions {
  /** A label whose rows are left out, beside the negative ones, which always are. */
  readonly ignoreIndex?: number;
  /** Share ε of the target that is spread evenly over all classes (Szegedy et al. 2016, §7). Default: 0. */
  readonly labelSmoothing?: number;
  /** Weight of each class, [V]; the mean over labelled rows is then weighted by that of their labels. */
  readonly weight?: Tensor;
  /** The axis of the classes. Default: the second, as in PyTorch; the only one of a single row. */
  readonly axis?: number;
}

/**
 * Cross-entropy −Σ_c t_c log softmax(x)_c of each row, with t the one-hot vector of its label or a distribution.
 *
 * Rows with a negative label (−100 by custom) are ignored, and the mean is over the others: 0 with a zero gradient when
 * no row counts, where others answer NaN. Distributions have no such rows. A class with t_c = 0 and a logit of −∞ adds
 * 0. With smoothing ε, t becomes (1 − ε) t + ε / V; with class weights, the term of class c is multiplied by w_c.
 *
 * @param logits [n, V], or [n, V, ...], or [V]; of any rank with `axis`
 * @param labels int32 of the logits' shape without the axis of classes, each below V; or floats of the logits' shape
 * @returns [], or with `reduction: "none"` the logits' shape without the axis of classes
 * @throws {ShapeError} when the shapes do not fit, or a label is not below V
 * @throws {ConfigError} for a smoothing outside [0, 1], or an `ignoreIndex` with distributions
 */
export function crossEntropy(logits: Tensor, labels: Tensor, options: CrossEntropyOptions = {}): Tensor {
  const { labelSmoothing = 0, weight, ignoreIndex, reduction = "mean" } = options;
  const axis = normalizeAxis("crossEntropy", options.axis ?? Math.min(1, logits.rank - 1), logits.rank);
  const isSoft = checkLabels(logits, labels, axis, options);
  const lead = logits.shape.filter((_, i) => i !== axis);
  const rows = rowsOf(logits, axis); // [n, V]
  if (isSoft) {
    const losses = softLosses(rows, rowsOf(labels, axis), labelSmoothing, weight);
    if (reduction === "mean") return div(sum(losses), Math.max(1, losses.size));
    return reduceLosses("crossEntropy", reshape(losses, lead), reduction);
  }
  const flat = reshape(labels, [labels.size]);
  const known = ignoreIndex === undefined ? flat : where(equal(flat, ignoreIndex), -1, flat);
  if (reduction === "mean" && labelSmoothing === 0 && !weight) return applyFused(crossEntropyFused, [rows, known], {});
  const { losses, shares } = labelLosses(rows, known, labelSmoothing, weight);
  if (reduction !== "mean") return reduceLosses("crossEntropy", reshape(losses, lead), reduction);
  const total = sum(shares);
  return div(sum(losses), where(equal(total, 0), 1, total));
}

/** Whether the labels are distributions. */
function checkLabels(logits: Tensor, labels: Tensor, axis: number, options: CrossEntropyOptions): boolean {
  const { labelSmoothing = 0, weight, ignoreIndex } = options;
  const isSoft = isFloat(labels.dtype) && sameShape(labels.shape, logits.shape);
  if (isFloat(labels.dtype) && !isSoft)
    throw sameShape(labels.shape, reducedShape(logits.shape, [axis], false))
      ? new DTypeError(`crossEntropy: labels are ${labels.dtype}, not int32`)
      : new ShapeError("crossEntropy", "distributions do not have the shape of the logits", logits, labels);
  if (!isSoft && !sameShape(labels.shape, reducedShape(logits.shape, [axis], false)))
    throw new ShapeError(
      "crossEntropy",
      `labels do not have the shape of the logits without axis ${axis}, the classes`,
      logits,
      labels,
      ...(sameShape(labels.shape, logits.shape.slice(0, -1)) ? ["{ axis: -1 } reads classes along the last axis"] : []),
    );
  if (weight && !sameShape(weight.shape, [logits.shape[axis]!]))
    throw new ShapeError("crossEntropy", `the weight is not one number for each class on axis ${axis}`, logits, weight);
  if (!(labelSmoothing >= 0 && labelSmoothing <= 1))
    throw new ConfigError(`crossEntropy: a label smoothing of ${labelSmoothing} is not in [0, 1]`);
  if (isSoft && ignoreIndex !== undefined)
    throw new ConfigError(
      `crossEntropy: ignoreIndex ${ignoreIndex} with distributions, which have no labels to ignore`,
    );
  return isSoft;
}

/** Classes last, all other axes as rows. */
function rowsOf(x: Tensor, axis: number): Tensor {
  const others = x.shape.flatMap((_, i) => (i === axis ? [] : [i]));
  const ordered = axis === x.rank - 1 ? x : permute(x, [...others, axis]);
  return reshape(ordered, [sizeOf(others.map((i) => x.shape[i]!)), x.shape[axis]!]);
}

/** −Σ_c w_c t_c log softmax(x)_c of each row. */
function softLosses(rows: Tensor, distributions: Tensor, smoothing: number, weight?: Tensor): Tensor {
  const classes = rows.shape[1]!;
  const target = smoothing ? add(mul(distributions, 1 - smoothing), smoothing / classes) : distributions;
  const terms = mul(target, logWhereUsed(target, logSoftmax(rows)));
  return neg(sum(weight ? mul(terms, weight) : terms, 1));
}

/** The loss of each row, 0 where it is ignored, and its share in the mean: 1 or the weight of its label. */
function labelLosses(
  rows: Tensor,
  labels: Tensor,
  smoothing: number,
  weight?: Tensor,
): { losses: Tensor; shares: Tensor } {
  const isCounted = greaterEqual(labels, 0);
  const log = logSoftmax(rows);
  const chosen = reshape(takeAlongAxis(log, columnOf(labels), 1), labels.shape);
  const shares = weight
    ? where(isCounted, gather(weight, where(isCounted, labels, 0)), 0)
    : cast(isCounted, rows.dtype);
  const ofLabel = mul(neg(chosen), shares);
  if (smoothing === 0) return { losses: where(isCounted, ofLabel, 0), shares };
  const ofAll = neg(sum(weight ? mul(log, weight) : log, 1));
  const smoothed = add(mul(ofLabel, 1 - smoothing), mul(ofAll, smoothing / rows.shape[1]!));
  return { losses: where(isCounted, smoothed, 0), shares };
}

/** Which rows count, as 0 or 1 in the dtype of the logits, and how many (at least 1). */
function counted(logits: Tensor, labels: Tensor): { rows: Tensor; n: Tensor } {
  const rows = cast(greaterEqual(labels, 0), logits.dtype);
  return { rows, n: maximum(sum(rows), 1) };
}

/** Labels as a column of valid indices; what stands in ignored rows is never used. */
const columnOf = (labels: Tensor) => expandDims(where(greaterEqual(labels, 0), labels, 0), 1);

export const crossEntropyFused = defineFused("crossEntropy", {
  infer([logits, labels]) {
    if (labels!.dtype !== "int32") throw new DTypeError(`crossEntropy: labels are ${labels!.dtype}, not int32`);
    if (logits!.rank !== 2 || labels!.rank !== 1 || logits!.shape[0] !== labels!.shape[0])
      throw new ShapeError("crossEntropy", "logits [n, V] and labels [n] are needed", logits!, labels!);
    return { shape: [], dtype: logits!.dtype };
  },
  definition([logits, labels]) {
    const { rows, n } = counted(logits!, labels!);
    const chosen = takeAlongAxis(logSoftmax(logits!), columnOf(labels!), 1); // [n, 1]
    return div(neg(sum(mul(chosen, expandDims(rows, 1)))), n);
  },
  vjp: ({ grad, inputs: [logits, labels] }) => [
    () => applyFused(crossEntropyBackwardFused, [logits!, labels!, grad], {}),
    null,
  ],
});

/** (softmax(logits) − one-hot(labels)) / n in rows that count, 0 elsewhere. */
export const crossEntropyBackwardFused = defineFused("crossEntropyBackward", {
  infer: ([logits]) => ({ shape: logits!.shape, dtype: logits!.dtype }),
  definition([logits, labels, grad]) {
    const { rows, n } = counted(logits!, labels!);
    const column = expandDims(rows, 1);
    const oneHot = putAlongAxis(column, columnOf(labels!), 1, logits!.shape[1]!);
    return mul(sub(mul(exp(logSoftmax(logits!)), column), oneHot), div(grad!, n));
  },
});
