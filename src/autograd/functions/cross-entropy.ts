import { DTypeError, ShapeError } from "../../tensor/errors.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { applyFused, defineFused } from "../fused.ts";
import { div, mul, neg, sub } from "../ops/arithmetic.ts";
import { maximum } from "../ops/extrema.ts";
import { putAlongAxis, takeAlongAxis } from "../ops/indexing.ts";
import { expandDims } from "../ops/layout.ts";
import { sum } from "../ops/reduce.ts";
import { cast, greaterEqual, where } from "../ops/select.ts";
import { exp } from "../ops/transcendental.ts";
import { logSoftmax } from "./log-softmax.ts";

/**
 * Mean of −log softmax(logits)[label] over the rows that have a label; negative labels (−100 by custom) are ignored.
 * 0 with a zero gradient when no row counts, where others answer NaN.
 *
 * @param logits [n, V]
 * @param labels int32 [n], each below V
 * @returns []
 */
export function crossEntropy(logits: Tensor, labels: Tensor): Tensor {
  return applyFused(crossEntropyFused, [logits, labels], {});
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
