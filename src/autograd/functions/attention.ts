import { DTypeError, ShapeError } from "../../tensor/errors.ts";
import { sameShape } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { applyFused, defineFused } from "../fused.ts";
import { mul, sub } from "../ops/arithmetic.ts";
import { pad, permute, reshape, select, slice, stack } from "../ops/layout.ts";
import { matmul } from "../ops/linalg.ts";
import { sum } from "../ops/reduce.ts";
import { scaledDotProductWeights } from "./scaled-dot-product-attention.ts";

/**
 * Multi-head scaled dot-product attention of packed projections (Vaswani et al. 2017, §3.2):
 *
 *   headᵢ = softmax(Qᵢ Kᵢᵀ / √dh) Vᵢ,   out = [head₁ … head_h]
 *
 * Keys with mask 0 are excluded for every query; a query without any key gets 0. No N × N matrix is kept.
 *
 * @param qkv [B, N, 3d]: queries, keys and values side by side, each split into heads of dh = d / numHeads
 * @param mask int32 [B, N], 1 = token and 0 = padding
 * @param queries how many tokens of each sequence ask, the first ones, while all are attended to; default: all
 * @returns [B, queries, d]
 * @throws {ShapeError} when the shapes do not fit, and for more queries than tokens or none
 */
export function attention(qkv: Tensor, numHeads: number, mask?: Tensor, queries = qkv.shape[1] ?? 0): Tensor {
  return applyFused(attentionFused, mask ? [qkv, mask] : [qkv], { numHeads, hasMask: !!mask, queries });
}

/** The weights softmax(Q Kᵀ / √dh) of `attention`, [B, h, N, N]; 0 for masked keys. */
export function attentionWeights(qkv: Tensor, numHeads: number, mask?: Tensor): Tensor {
  checkPacked(qkv, numHeads, mask);
  const [q, k] = splitHeads(qkv, numHeads);
  return weightsOf(q, k, mask);
}

/** Queries, keys and values [B, h, N, dh]. */
function splitHeads(qkv: Tensor, numHeads: number): [Tensor, Tensor, Tensor] {
  const [B, N, width] = qkv.shape as [number, number, number];
  const heads = permute(reshape(qkv, [B, N, 3, numHeads, width / 3 / numHeads]), [2, 0, 3, 1, 4]); // [3, B, h, N, dh]
  return [select(heads, 0, 0), select(heads, 0, 1), select(heads, 0, 2)];
}

/** [B, h, N, dh] → [B, N, d]. */
function mergeHeads(x: Tensor): Tensor {
  const [B, h, N, dh] = x.shape as [number, number, number, number];
  return reshape(permute(x, [0, 2, 1, 3]), [B, N, h * dh]);
}

function weightsOf(q: Tensor, k: Tensor, mask?: Tensor): Tensor {
  const keys = mask && reshape(mask, [mask.shape[0]!, 1, 1, mask.shape[1]!]);
  return scaledDotProductWeights(q, k, keys); // [B, h, N, N]
}

function checkPacked(qkv: Tensor, numHeads: number, mask?: Tensor): void {
  if (qkv.rank !== 3 || qkv.shape[2]! % (3 * numHeads) !== 0)
    throw new ShapeError("attention", `[B, N, 3d] with d a multiple of ${numHeads} heads is needed`, qkv);
  if (!mask) return;
  if (mask.dtype !== "int32") throw new DTypeError(`attention: the mask is ${mask.dtype}, not int32; cast() it`);
  if (!sameShape(mask.shape, qkv.shape.slice(0, 2)))
    throw new ShapeError("attention", "the mask is not [B, N]", qkv, mask);
}

export const attentionFused = defineFused("attention", {
  infer([qkv, mask], { numHeads, queries }) {
    checkPacked(qkv!, numHeads, mask);
    const [B, N, width] = qkv!.shape as [number, number, number];
    if (!Number.isInteger(queries) || queries > N || queries < Math.min(1, N))
      throw new ShapeError("attention", `${queries} queries of ${N} tokens`, qkv!);
    return { shape: [B, queries, width / 3], dtype: qkv!.dtype };
  },
  definition([qkv, mask], { numHeads, queries }) {
    const [q, k, v] = splitHeads(qkv!, numHeads);
    return mergeHeads(matmul(weightsOf(slice(q, 2, 0, queries), k, mask), v));
  },
  vjp: ({ grad, inputs: [qkv, mask], out, attributes }) => [
    () => applyFused(attentionBackwardFused, mask ? [qkv!, out, grad, mask] : [qkv!, out, grad], attributes),
    ...(mask ? [null] : []),
  ],
});

/**
 * With P the weights, D = rows of Σ Ō ∘ O and S̄ = P ∘ (Ō Vᵀ − D):  Q̄ = S̄ K / √dh, K̄ = S̄ᵀ Q / √dh, V̄ = Pᵀ Ō
 * (the form of Dao et al. 2022, appendix B, which needs the output but not the weights).
 */
export const attentionBackwardFused = defineFused("attentionBackward", {
  infer: ([qkv]) => ({ shape: qkv!.shape, dtype: qkv!.dtype }),
  definition([qkv, out, grad, mask], { numHeads, queries }) {
    const [all, k, v] = splitHeads(qkv!, numHeads);
    const q = slice(all, 2, 0, queries);
    const [B, , d] = out!.shape as [number, number, number];
    const perHead = (x: Tensor) => permute(reshape(x, [B, queries, numHeads, d / numHeads]), [0, 2, 1, 3]);
    const [o, gradO] = [perHead(out!), perHead(grad!)];
    const weights = weightsOf(q, k, mask);
    const dot = sum(mul(gradO, o), -1, { keepDims: true }); // [B, h, N, 1]
    const gradScores = mul(mul(weights, sub(matmul(gradO, v, { transposeB: true }), dot)), q.shape.at(-1)! ** -0.5);
    const silent = qkv!.shape[1]! - queries; // tokens that do not ask
    const parts = [
      pad(matmul(gradScores, k), [0, 0, 0, 0], [0, 0, silent, 0]),
      matmul(gradScores, q, { transposeA: true }),
      matmul(weights, gradO, { transposeA: true }),
    ];
    return reshape(stack(parts.map(mergeHeads), 2), qkv!.shape); // [B, N, 3, d] → [B, N, 3d]
  },
});
