import { commonDType } from "../../tensor/dtype.ts";
import { ShapeError } from "../../tensor/errors.ts";
import { sameShape } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { applyFused, defineFused } from "../fused.ts";
import { add } from "../ops/arithmetic.ts";
import { reshape } from "../ops/layout.ts";
import { matmul } from "../ops/linalg.ts";
import { affineShares, productShare, weightShare } from "./fused-product.ts";

/**
 * y = x Wᵀ + b, and + residual where one is given.
 * Pull-back: x̄ = ȳ W, W̄ = ȳᵀ x, b̄ = Σ ȳ over rows, and the residual's gradient is ȳ.
 *
 * @param x [..., in]
 * @param weight [out, in]
 * @param bias [out]
 * @param residual [..., out]
 * @returns [..., out]
 */
export function linear(x: Tensor, weight: Tensor, bias?: Tensor | null, residual?: Tensor): Tensor {
  const inputs = [x, weight, ...(bias ? [bias] : []), ...(residual ? [residual] : [])];
  return applyFused(linearFused, inputs, { hasBias: !!bias, hasResidual: !!residual });
}

/** All leading axes as rows. */
const rows = (x: Tensor) => reshape(x, [-1, x.shape.at(-1)!]);

export const linearFused = defineFused("linear", {
  infer(inputs, { hasBias, hasResidual }) {
    const [x, weight] = inputs as [Tensor, Tensor];
    if (x.rank < 1 || weight.rank !== 2 || x.shape.at(-1) !== weight.shape[1])
      throw new ShapeError("linear", "the last axis of x is not the weight's second", x, weight);
    const shape = [...x.shape.slice(0, -1), weight.shape[0]!];
    const bias = hasBias ? inputs[2] : undefined;
    const residual = hasResidual ? inputs.at(-1) : undefined;
    if (bias && !sameShape(bias.shape, [weight.shape[0]!]))
      throw new ShapeError("linear", "the bias does not have the length of the weight's first axis", bias, weight);
    if (residual && !sameShape(residual.shape, shape))
      throw new ShapeError("linear", "the residual does not have the output's shape", residual, { shape });
    return { shape, dtype: commonDType("linear", inputs) };
  },
  definition(inputs, { hasBias, hasResidual }) {
    const [x, weight] = inputs as [Tensor, Tensor];
    const product = reshape(matmul(rows(x), weight, { transposeB: true }), [...x.shape.slice(0, -1), weight.shape[0]!]);
    const biased = hasBias ? add(product, inputs[2]!) : product;
    return hasResidual ? add(biased, inputs.at(-1)!) : biased;
  },
  vjp: ({ grad, inputs, attributes: { hasBias, hasResidual } }) => {
    const [x, weight] = inputs as [Tensor, Tensor];
    const flat = rows(grad);
    return [
      productShare(flat, weight, {}, { to: (y) => reshape(y, x.shape), from: rows }),
      ...(hasBias ? affineShares(flat, rows(x)) : [weightShare(flat, rows(x))]),
      ...(hasResidual ? [() => grad] : []),
    ];
  },
});
