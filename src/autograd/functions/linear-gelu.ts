import type { Tensor } from "../../tensor/tensor.ts";
import { applyFused, defineFused } from "../fused.ts";
import { isRecording, isTracked } from "../graph.ts";
import { gelu } from "./gelu.ts";
import { linear, linearFused } from "./linear.ts";

/**
 * gelu(x Wᵀ + b). Without a graph it is one pass; with one, what goes into GELU is kept, since its derivative needs it.
 *
 * @param x [..., in]
 * @param weight [out, in]
 * @param bias [out]
 * @returns [..., out]
 */
export function linearGelu(x: Tensor, weight: Tensor, bias?: Tensor | null): Tensor {
  const inputs = [x, weight, ...(bias ? [bias] : [])];
  if (isRecording() && inputs.some(isTracked)) return gelu(linear(x, weight, bias));
  return applyFused(linearGeluFused, inputs, { hasBias: !!bias });
}

export const linearGeluFused = defineFused("linearGelu", {
  infer: (inputs, { hasBias }) => linearFused.infer(inputs, { hasBias, hasResidual: false }),
  definition: ([x, weight, bias]) => gelu(linear(x!, weight!, bias)),
});
