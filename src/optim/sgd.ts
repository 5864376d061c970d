import type { Tensor } from "../tensor/tensor.ts";
import type { ParameterGroup, StepOptions } from "./groups.ts";
import { forgetGradients, OptimizerState, updateInPlace } from "./state.ts";

export interface SgdOptions {
  /** Default: 0, plain gradient descent. */
  readonly momentum?: number;
  /** Look ahead along the velocity (Nesterov 1983). */
  readonly nesterov?: boolean;
}

/**
 * Stochastic gradient descent with momentum, as `torch.optim.SGD`, with g the gradient plus λ p:
 *
 *   u ← momentum · u + g,   p ← p − lr u,   or p ← p − lr (g + momentum · u) with Nesterov's look-ahead
 */
export class Sgd {
  readonly #state: OptimizerState;
  readonly #options: Required<SgdOptions>;

  constructor(
    readonly groups: readonly ParameterGroup[],
    { momentum = 0, nesterov = false }: SgdOptions = {},
  ) {
    this.#options = { momentum, nesterov };
    this.#state = new OptimizerState("Sgd", groups, ["velocity"]);
  }

  /** One update of every parameter that has a gradient; the values it replaces are given back. */
  step({ learningRate, gradScale = 1 }: StepOptions): void {
    for (const { parameters, weightDecay, learningRateMultiplier = 1 } of this.groups) {
      const rate = learningRate * learningRateMultiplier;
      const attributes = { ...this.#options, learningRate: rate, weightDecay };
      updateInPlace("sgd", parameters, this.#state, gradScale, attributes);
    }
  }

  /** Forgets the gradients and gives their memory back. */
  zeroGrad(): void {
    forgetGradients(this.groups);
  }

  /** The velocity of each parameter, as `name.velocity`: the whole state. */
  moments(): Generator<[string, Tensor]> {
    return this.#state.entries();
  }

  /** Replaces the velocities, of an optimiser over the same parameters. */
  restore(moments: ReadonlyMap<string, Tensor>): void {
    this.#state.restore(moments);
  }
}
