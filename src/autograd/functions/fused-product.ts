import type { Tensor } from "../../tensor/tensor.ts";
import { applyFused, defineFused } from "../fused.ts";
import type { PullBack } from "../graph.ts";
import { applyJoint, defineJoint, runsJointly } from "../joint.ts";
import { add, mul } from "../ops/arithmetic.ts";
import { type MatmulOptions, matmul } from "../ops/linalg.ts";
import { sum } from "../ops/reduce.ts";

/**
 * A product that is somebody's share of a gradient. Where there is a sum of shares already, it takes the product in: one
 * pass instead of two.
 *
 * @param a [m, k], b [k, n], before the flags are looked at
 * @param reshaped brings a matrix to the gradient's shape, and back
 */
export function productShare(
  a: Tensor,
  b: Tensor,
  { transposeA = false, transposeB = false }: MatmulOptions,
  reshaped: { readonly to: (x: Tensor) => Tensor; readonly from: (x: Tensor) => Tensor },
): PullBack {
  const share = () => reshaped.to(matmul(a, b, { transposeA, transposeB }));
  const onto = (sum: Tensor) =>
    reshaped.to(applyFused(matmulAddFused, [a, b, reshaped.from(sum)], { transposeA, transposeB }));
  return Object.assign(share, { onto });
}

/** The gradient of a weight [out, in]: gradᵀ x, with grad [n, out] that of the results and x [n, in]. */
export function weightShare(grad: Tensor, x: Tensor): PullBack {
  return productShare(grad, x, { transposeA: true }, { to: (y) => y, from: (y) => y });
}

/** The same and the gradient of the bias [out], Σ grad over rows: together where the device can read `grad` once for both. */
export function affineShares(grad: Tensor, x: Tensor): [PullBack, PullBack] {
  if (!runsJointly(linearGradientsJoint, grad)) return [weightShare(grad, x), () => sum(grad, 0)];
  let ofBias: Tensor | undefined; // when it is there with that of the weight
  const ofWeight = (before?: Tensor) => {
    const results = applyJoint(linearGradientsJoint, before ? [grad, x, before] : [grad, x], {});
    ofBias = results[1]!;
    return results[0]!;
  };
  return [Object.assign(() => ofWeight(), { onto: ofWeight }), () => ofBias ?? sum(grad, 0)];
}

/** addend [m, n] + A B, with A and B as the flags read them. */
export const matmulAddFused = defineFused("matmulAdd", {
  infer: ([, , addend]) => ({ shape: addend!.shape, dtype: addend!.dtype }),
  definition: ([a, b, addend], flags) => add(addend!, matmul(a!, b!, flags)),
});

/** factor [m, n] ∘ A B, with A and B as the flags read them. */
export const matmulMulFused = defineFused("matmulMul", {
  infer: ([, , factor]) => ({ shape: factor!.shape, dtype: factor!.dtype }),
  definition: ([a, b, factor], flags) => mul(factor!, matmul(a!, b!, flags)),
});

/** gradᵀ x, and the addend where there is one; Σ grad over rows. */
export const linearGradientsJoint = defineJoint("linearGradients", {
  infer: ([grad, x]) => [
    { shape: [grad!.shape[1]!, x!.shape[1]!], dtype: x!.dtype },
    { shape: [grad!.shape[1]!], dtype: grad!.dtype },
  ],
  definition([grad, x, addend]) {
    const product = matmul(grad!, x!, { transposeA: true });
    return [addend ? add(addend, product) : product, sum(grad!, 0)];
  },
});
