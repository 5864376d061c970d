import { noGrad, type Parameter } from "../autograd/graph.ts";
import { cast } from "../autograd/ops/select.ts";
import { zeros } from "../tensor/create.ts";
import { ConfigError } from "../tensor/errors.ts";
import type { Tensor } from "../tensor/tensor.ts";

/** Parameters that share a weight decay and a multiple of the learning rate. */
export interface ParameterGroup {
  readonly parameters: ReadonlyMap<string, Parameter>;
  readonly weightDecay: number;
  readonly learningRateMultiplier?: number;
}

export interface AdamwOptions {
  readonly beta1?: number;
  readonly beta2?: number;
  readonly eps?: number;
}

export interface StepOptions {
  readonly learningRate: number;
  /** Factor on all gradients, for clipping or for the mean over accumulated batches. */
  readonly gradScale?: number;
}

interface Moments {
  readonly m: Tensor;
  readonly v: Tensor;
}

/**
 * Decay for matrices and tables, none for biases and the scales of normalisations: a parameter of one axis is one of
 * the latter (the original's rule, said by role instead of by name).
 */
export function decayGroups(parameters: ReadonlyMap<string, Parameter>, weightDecay: number): ParameterGroup[] {
  const pick = (decayed: boolean) =>
    new Map([...parameters].filter(([, parameter]) => parameter.shape.length >= 2 === decayed));
  return [
    { parameters: pick(true), weightDecay },
    { parameters: pick(false), weightDecay: 0 },
  ];
}

/**
 * AdamW (Loshchilov and Hutter 2019) as the original ViLT runs it: eps is added before the bias correction, and the
 * decay is applied after the step, to the updated value.
 *
 *   m = β₁ m + (1 − β₁) g,  v = β₂ v + (1 − β₂) g²
 *   p ← p − lr √(1 − β₂ᵗ) / (1 − β₁ᵗ) · m / (√v + ε),  then  p ← p − lr λ p
 */
export class AdamW {
  readonly #moments = new Map<string, Moments>();
  readonly #options: Required<AdamwOptions>;
  /** Steps taken. */
  stepCount = 0;

  constructor(
    readonly groups: readonly ParameterGroup[],
    { beta1 = 0.9, beta2 = 0.98, eps = 1e-8 }: AdamwOptions = {},
  ) {
    this.#options = { beta1, beta2, eps };
    for (const { parameters } of groups)
      for (const [name, { value }] of parameters) {
        if (this.#moments.has(name)) throw new ConfigError(`AdamW: the parameter ${name} is in two groups`);
        const zero = () => noGrad(() => zeros(value.shape, { dtype: value.dtype, device: value.device })).keep();
        this.#moments.set(name, { m: zero(), v: zero() });
      }
  }

  /** One update of every parameter that has a gradient; the values it replaces are given back. */
  step({ learningRate, gradScale = 1 }: StepOptions): void {
    this.stepCount++;
    for (const { parameters, weightDecay, learningRateMultiplier = 1 } of this.groups)
      for (const [name, parameter] of parameters) {
        const { grad } = parameter;
        if (!grad) continue;
        const { m, v } = this.#moments.get(name)!;
        const value = exclusive(parameter.value);
        value.backend.run("adamw", [value, grad, m, v], value, {
          ...this.#options,
          learningRate: learningRate * learningRateMultiplier,
          weightDecay,
          step: this.stepCount,
          gradScale,
        });
        parameter.value = value;
        value.release("AdamW.step()");
      }
  }

  /** Forgets the gradients and gives their memory back. */
  zeroGrad(): void {
    for (const { parameters } of this.groups) for (const parameter of parameters.values()) parameter.grad = null;
  }

  /** First and second moments by parameter name, as `name.m` and `name.v`; with `stepCount` the whole state. */
  *moments(): Generator<[string, Tensor]> {
    for (const [name, { m, v }] of this.#moments) {
      yield [`${name}.m`, m];
      yield [`${name}.v`, v];
    }
  }

  /** Replaces the moments and the step count, of an optimiser over the same parameters. */
  restore(moments: ReadonlyMap<string, Tensor>, stepCount: number): void {
    for (const [name, before] of this.#moments) {
      const [m, v] = [moments.get(`${name}.m`), moments.get(`${name}.v`)];
      if (!m || !v) throw new ConfigError(`AdamW: no moments of ${name} to restore`);
      this.#moments.set(name, { m: copy(m).keep(), v: copy(v).keep() });
      before.m.release("AdamW.restore()");
      before.v.release("AdamW.restore()");
    }
    this.stepCount = stepCount;
  }
}

/** The value to overwrite: the same memory if nobody else can see it, else a copy, so that tensors stay immutable. */
function exclusive(value: Tensor): Tensor {
  return value.storage.references === 1 ? value.alias() : copy(value);
}

const copy = (x: Tensor) => noGrad(() => cast(x, x.dtype));
