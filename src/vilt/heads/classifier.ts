import { gelu } from "../../autograd/functions/gelu.ts";
import type { LayerOptions } from "../../nn/init.ts";
import { LayerNorm } from "../../nn/layer-norm.ts";
import { Linear } from "../../nn/linear.ts";
import { Module } from "../../nn/module.ts";
import type { Tensor } from "../../tensor/tensor.ts";

/** The library default of the original, unlike the model's other constants (specification §3.2). */
const EPS = 1e-5;

/** The head of classification tasks: expand, normalise, GELU, and one logit a class (specification §4.6, §4.7). */
export class Classifier extends Module {
  readonly expand: Linear;
  readonly layerNorm: LayerNorm;
  readonly output: Linear;

  constructor(
    { inputSize, innerSize, numClasses }: { inputSize: number; innerSize: number; numClasses: number },
    options: LayerOptions,
  ) {
    super();
    this.expand = new Linear(inputSize, innerSize, options);
    this.layerNorm = new LayerNorm(innerSize, EPS, options);
    this.output = new Linear(innerSize, numClasses, options);
  }

  /** pooled [B, input] → logits [B, classes]. */
  forward(pooled: Tensor): Tensor {
    return this.output.forward(gelu(this.layerNorm.forward(this.expand.forward(pooled))));
  }
}
