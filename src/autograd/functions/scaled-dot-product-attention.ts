import { arange } from "../../tensor/create.ts";
import { commonDType } from "../../tensor/dtype.ts";
import { DTypeError, ShapeError } from "../../tensor/errors.ts";
import { broadcastShapes, sameShape } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { mul } from "../ops/arithmetic.ts";
import { reshape } from "../ops/layout.ts";
import { matmul } from "../ops/linalg.ts";
import { lessEqual, where } from "../ops/select.ts";
import { softmax } from "./softmax.ts";

export interface ScaledDotProductOptions {
  /** int32, 1 = the query may attend to the key; of a shape that broadcasts to [..., N, M]. */
  readonly mask?: Tensor;
  /** Query i attends to keys 0 … i alone, beside what the mask says. Default: false. */
  readonly causal?: boolean;
  /** Default: 1 / √dh. */
  readonly scale?: number;
}

/**
 * softmax(scale · Q Kᵀ) V (Vaswani et al. 2017, equation 1). Excluded keys get a weight of exactly 0; a query without
 * any key gets 0, where a plain softmax answers NaN.
 *
 * @param q [..., N, dh]
 * @param k [..., M, dh]
 * @param v [..., M, dv]
 * @returns [..., N, dv]; leading axes broadcast
 * @throws {ShapeError} when the shapes do not fit
 * @throws {DTypeError} for a mask that is not int32, such as numbers to add to the scores
 */
export function scaledDotProductAttention(
  q: Tensor,
  k: Tensor,
  v: Tensor,
  options: ScaledDotProductOptions = {},
): Tensor {
  const { mask, causal = false, scale } = options;
  checkOperands(q, k, v, mask);
  return matmul(scaledDotProductWeights(q, k, causal ? causalMask(q, k, mask) : mask, scale), v);
}

/** The weights softmax(scale · Q Kᵀ), [..., N, M], with the rules of `scaledDotProductAttention`. */
export function scaledDotProductWeights(q: Tensor, k: Tensor, mask?: Tensor, scale = q.shape.at(-1)! ** -0.5): Tensor {
  const scores = mul(matmul(q, k, { transposeB: true }), scale);
  if (scores.shape.at(-1) === 0) return scores; // no key: nothing to add up
  if (!mask) return softmax(scores);
  // A large finite number instead of −∞ keeps a row without any key finite; the second `where` makes that row 0.
  return where(mask, softmax(where(mask, scores, EXCLUDED)), 0);
}
const EXCLUDED = -1e30;

/** 1 where key j ≤ query i and the mask allows it; the first query is aligned with the first key, as in PyTorch. */
function causalMask(q: Tensor, k: Tensor, mask?: Tensor): Tensor {
  const [N, M] = [q.shape.at(-2)!, k.shape.at(-2)!];
  const placement = { dtype: "int32", device: q.device } as const;
  const past = lessEqual(arange(0, M, 1, placement), reshape(arange(0, N, 1, placement), [N, 1])); // [N, M]
  return mask ? where(mask, past, 0) : past;
}

function checkOperands(q: Tensor, k: Tensor, v: Tensor, mask?: Tensor): void {
  const operation = "scaledDotProductAttention";
  commonDType(operation, [q, k, v]);
  if (Math.min(q.rank, k.rank, v.rank) < 2 || q.shape.at(-1) !== k.shape.at(-1) || k.shape.at(-2) !== v.shape.at(-2))
    throw new ShapeError(operation, "q [..., N, dh], k [..., M, dh] and v [..., M, dv] are needed", q, k, v);
  if (!mask) return;
  if (mask.dtype !== "int32")
    throw new DTypeError(`${operation}: the mask is ${mask.dtype}, not int32; 1 = may attend, 0 = excluded`);
  const lead = broadcastShapes(operation, q.shape.slice(0, -2), k.shape.slice(0, -2));
  const scores = [...lead, q.shape.at(-2)!, k.shape.at(-2)!];
  if (!sameShape(broadcastShapes(operation, mask.shape, scores), scores))
    throw new ShapeError(operation, "the mask does not broadcast to the scores", mask, { shape: scores });
}
