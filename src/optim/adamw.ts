import type { Tensor } from "../tensor/tensor.ts";
import type { ParameterGroup, StepOptions } from "./groups.ts";
import { forgetGradients, OptimizerState, updateInPlace } from "./state.ts";

export interface AdamwOptions {
  readonly beta1?: number;
  readonly beta2?: number;
  readonly eps?: number;
  /** Whose AdamW: they differ in where ε and the decay stand. Default: the original ViLT's, that of `transformers`. */
  readonly convention?: "transformers" | "torch";
  /** Without it the first steps are too small (BERT's optimiser). Default: true. */
  readonly correctBias?: boolean;
  /** `gradient` adds the decay to the gradient, which makes it Adam with an L2 penalty (Kingma and Ba 2015). */
  readonly decay?: "decoupled" | "gradient";
}

/**
 * AdamW (Loshchilov and Hutter 2019), by default as the original ViLT runs it (`transformers` 4.2): ε is added before
 * the bias correction, and the decay is applied after the step, to the updated value.
 *
 *   m = β₁ m + (1 − β₁) g,  v = β₂ v + (1 − β₂) g²
 *   p ← p − lr √(1 − β₂ᵗ) / (1 − β₁ᵗ) · m / (√v + ε),  then  p ← p − lr λ p
 *
 * PyTorch's own takes p ← (1 − lr λ) p first and adds ε to √v / √(1 − β₂ᵗ).
 */
export class AdamW {
  readonly #state: OptimizerState;
  readonly #options: Required<AdamwOptions>;
  /** Steps taken. */
  stepCount = 0;

  constructor(
    readonly groups: readonly ParameterGroup[],
    options: AdamwOptions = {},
  ) {
    const { beta1 = 0.9, beta2 = 0.98, eps = 1e-8 } = options;
    const { convention = "transformers", correctBias = true, decay = "decoupled" } = options;
    this.#options = { beta1, beta2, eps, convention, correctBias, decay };
    this.#state = new OptimizerState("AdamW", groups, ["m", "v"]);
  }

  /** One update of every parameter that has a gradient; the values it replaces are given back. */
  step({ learningRate, gradScale = 1 }: StepOptions): void {
    this.stepCount++;
    const { beta1, beta2, correctBias } = this.#options;
    const [first, second] = correctBias ? [1 - beta1 ** this.stepCount, 1 - beta2 ** this.stepCount] : [1, 1];
    const eps = this.#options.eps * (this.#options.convention === "torch" ? Math.sqrt(second) : 1);
    for (const { parameters, weightDecay, learningRateMultiplier = 1 } of this.groups) {
      const rate = learningRate * learningRateMultiplier;
      const stepSize = (rate * Math.sqrt(second)) / first;
      const attributes = { beta1, beta2, eps, stepSize, ...this.#decay(rate, weightDecay) };
      updateInPlace("adamw", parameters, this.#state, gradScale, attributes);
    }
  }

  #decay(rate: number, weightDecay: number) {
    const none = { gradientDecay: 0, decayBefore: 0, decayAfter: 0 };
    if (this.#options.decay === "gradient") return { ...none, gradientDecay: weightDecay };
    const share = rate * weightDecay;
    return this.#options.convention === "torch" ? { ...none, decayBefore: share } : { ...none, decayAfter: share };
  }

  /** Forgets the gradients and gives their memory back. */
  zeroGrad(): void {
    forgetGradients(this.groups);
  }

  /** First and second moments by parameter name, as `name.m` and `name.v`; with `stepCount` the whole state. */
  moments(): Generator<[string, Tensor]> {
    return this.#state.entries();
  }

  /** Replaces the moments and the step count, of an optimiser over the same parameters. */
  restore(moments: ReadonlyMap<string, Tensor>, stepCount: number): void {
    this.#state.restore(moments);
    this.stepCount = stepCount;
  }
}
