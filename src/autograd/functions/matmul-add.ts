import type { Tensor } from "../../tensor/tensor.ts";
import { applyFused, defineFused } from "../fused.ts";
import type { PullBack } from "../graph.ts";
import { add } from "../ops/arithmetic.ts";
import { type MatmulOptions, matmul } from "../ops/linalg.ts";

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

/** addend [m, n] + A B, with A and B as the flags read them. */
export const matmulAddFused = defineFused("matmulAdd", {
  infer: ([, , addend]) => ({ shape: addend!.shape, dtype: addend!.dtype }),
  definition: ([a, b, addend], flags) => add(addend!, matmul(a!, b!, flags)),
});
