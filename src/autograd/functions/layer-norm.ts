import { commonDType } from "../../tensor/dtype.ts";
import { ShapeError } from "../../tensor/errors.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { applyFused, defineFused } from "../fused.ts";
import { isTracked } from "../graph.ts";
import { applyJoint, defineJoint, runsJointly } from "../joint.ts";
import { add, div, mul, sub } from "../ops/arithmetic.ts";
import { sum } from "../ops/reduce.ts";
import { sqrt } from "../ops/transcendental.ts";
import { mean } from "./mean.ts";
import { variance } from "./variance.ts";

/**
 * y = x̂ ∘ w + b with x̂ = (x − μ) / √(σ² + ε), mean and variance over the last axis (Ba et al. 2016).
 * Pull-back, with g = ȳ ∘ w: x̄ = (g − mean g − x̂ mean(g ∘ x̂)) / √(σ² + ε), w̄ = Σ ȳ ∘ x̂, b̄ = Σ ȳ.
 *
 * @param x [..., d]
 * @param weight [d]
 * @param bias [d]
 */
export function layerNorm(x: Tensor, weight: Tensor, bias: Tensor, eps: number): Tensor {
  return applyFused(layerNormFused, [x, weight, bias], { eps });
}

/** x̂ and √(σ² + ε). */
function standardize(x: Tensor, eps: number): { xHat: Tensor; deviation: Tensor } {
  const deviation = sqrt(add(variance(x, -1, { keepDims: true }), eps));
  return { xHat: div(sub(x, mean(x, -1, { keepDims: true })), deviation), deviation };
}

const leadingAxes = (x: Tensor) => Array.from({ length: x.rank - 1 }, (_, axis) => axis);

export const layerNormFused = defineFused("layerNorm", {
  infer([x, weight, bias]) {
    const d = x!.shape.at(-1);
    for (const parameter of [weight!, bias!])
      if (parameter.rank !== 1 || parameter.size !== d || d === 0)
        throw new ShapeError("layerNorm", "weight and bias have the length of the last axis", x!, parameter);
    return { shape: x!.shape, dtype: commonDType("layerNorm", [x!, weight!, bias!]) };
  },
  definition: ([x, weight, bias], { eps }) => add(mul(standardize(x!, eps).xHat, weight!), bias!),
  vjp: ({ grad, inputs, attributes }) => {
    const [x, weight, bias] = inputs as [Tensor, Tensor, Tensor];
    const isJoint = isTracked(weight) && isTracked(bias) && runsJointly(layerNormGradientsJoint, grad);
    let ofParameters: readonly Tensor[] = []; // when they are there with that of x
    const ofX = (before?: Tensor) => {
      const operands = [x, weight, grad, ...(before ? [before] : [])];
      if (!isJoint) return applyFused(layerNormBackwardFused, operands, attributes);
      const [share, ...others] = applyJoint(layerNormGradientsJoint, operands, attributes);
      ofParameters = others;
      return share!;
    };
    return [
      Object.assign(() => ofX(), { onto: ofX }),
      () => ofParameters[0] ?? applyFused(layerNormBackwardWeightFused, [x, grad], attributes),
      () => ofParameters[1] ?? sum(grad, leadingAxes(grad)),
    ];
  },
});

/** x̄, and the earlier shares of that gradient where there are any. */
export const layerNormBackwardFused = defineFused("layerNormBackward", {
  infer: ([x]) => ({ shape: x!.shape, dtype: x!.dtype }),
  definition([x, weight, grad, addend], { eps }) {
    const { xHat, deviation } = standardize(x!, eps);
    const g = mul(grad!, weight!);
    const alongX = mul(xHat, mean(mul(g, xHat), -1, { keepDims: true }));
    const share = div(sub(sub(g, mean(g, -1, { keepDims: true })), alongX), deviation);
    return addend ? add(share, addend) : share;
  },
});

export const layerNormBackwardWeightFused = defineFused("layerNormBackwardWeight", {
  infer: ([x]) => ({ shape: [x!.shape.at(-1)!], dtype: x!.dtype }),
  definition: ([x, grad], { eps }) => sum(mul(grad!, standardize(x!, eps).xHat), leadingAxes(grad!)),
});

/** All of them: x̄ with its addend, w̄ and b̄. */
export const layerNormGradientsJoint = defineJoint("layerNormGradients", {
  infer([x, weight]) {
    const parameter = { shape: weight!.shape, dtype: x!.dtype };
    return [{ shape: x!.shape, dtype: x!.dtype }, parameter, parameter];
  },
  definition: ([x, weight, grad, ...addend], attributes) => [
    layerNormBackwardFused.definition([x!, weight!, grad!, ...addend], attributes),
    layerNormBackwardWeightFused.definition([x!, grad!], attributes),
    sum(grad!, leadingAxes(grad!)),
  ],
});
