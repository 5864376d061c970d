import type { Tensor } from "../../tensor/tensor.ts";
import { defineFunction } from "../define-function.ts";
import { applyFused } from "../fused.ts";
import { isRecording, isTracked } from "../graph.ts";
import { applyJoint, defineJoint } from "../joint.ts";
import { add, mul } from "../ops/arithmetic.ts";
import { reshape } from "../ops/layout.ts";
import { normalCdf, normalDensity } from "../ops/transcendental.ts";
import { affineShares, matmulMulFused, productShare } from "./fused-product.ts";
import { gelu } from "./gelu.ts";
import { linear, linearFused } from "./linear.ts";
import { linearGelu } from "./linear-gelu.ts";

/** A weight [out, in] and its bias [out]. */
export interface Affine {
  readonly weight: Tensor;
  readonly bias: Tensor;
}

/**
 * The position-wise network of a transformer (Vaswani et al. 2017, §3.3) with GELU: y = gelu(x W₁ᵀ + b₁) W₂ᵀ + b₂, and
 * + residual where one is given. Pull-back, with h = gelu(u) and u = x W₁ᵀ + b₁: ū = ȳ W₂ ∘ gelu′(u), and with that and
 * ȳ those of the two transforms. Where the device can, gelu′(u) is computed with h, and ū in one pass.
 *
 * @param x [..., d]
 * @param expand W₁ [inner, d] and b₁
 * @param contract W₂ [d, inner] and b₂
 * @param residual [..., d]
 * @returns [..., d]
 */
export function feedForward(x: Tensor, expand: Affine, contract: Affine, residual?: Tensor): Tensor {
  const inputs = [x, expand.weight, expand.bias, contract.weight, contract.bias, ...(residual ? [residual] : [])];
  if (isRecording() && inputs.some(isTracked) && x.backend.has("linearGeluSlopes")) return withSlopes(...inputs);
  return linear(linearGelu(x, expand.weight, expand.bias), contract.weight, contract.bias, residual);
}

/** All leading axes as rows. */
const rows = (x: Tensor) => reshape(x, [-1, x.shape.at(-1)!]);

const withSlopes = defineFunction({
  name: "feedForward",
  forward(...inputs: readonly Tensor[]) {
    const [hidden, slopes] = applyJoint(linearGeluSlopesJoint, inputs.slice(0, 3), {}) as [Tensor, Tensor];
    const [contract, bias, residual] = inputs.slice(3) as [Tensor, Tensor, Tensor?];
    return { out: linear(hidden, contract, bias, residual), saved: { hidden, slopes } };
  },
  pullBack({ grad, inputs, saved: { hidden, slopes } }) {
    const [x, expand, , contract, , residual] = inputs as [Tensor, Tensor, Tensor, Tensor, Tensor, Tensor?];
    const flat = rows(grad);
    const inner = applyFused(matmulMulFused, [flat, contract, rows(slopes)], { transposeA: false, transposeB: false });
    return [
      productShare(inner, expand, {}, { to: (y) => reshape(y, x.shape), from: rows }),
      ...affineShares(inner, rows(x)),
      ...affineShares(flat, rows(hidden)),
      ...(residual ? [() => grad] : []),
    ];
  },
});

/** h = gelu(u) and gelu′(u), with u = x Wᵀ + b. */
export const linearGeluSlopesJoint = defineJoint("linearGeluSlopes", {
  infer(inputs) {
    const meta = linearFused.infer(inputs, { hasBias: true, hasResidual: false });
    return [meta, meta];
  },
  definition([x, weight, bias]) {
    const u = linear(x!, weight!, bias);
    return [gelu(u), add(normalCdf(u), mul(u, normalDensity(u)))];
  },
});
