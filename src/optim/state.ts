import { noGrad, type Parameter } from "../autograd/graph.ts";
import { cast } from "../autograd/ops/select.ts";
import type { Backend } from "../tensor/backend.ts";
import { full, zeros } from "../tensor/create.ts";
import { ConfigError, DeviceError } from "../tensor/errors.ts";
import type { Attributes } from "../tensor/kernels.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { ParameterGroup } from "./groups.ts";

const copy = (x: Tensor) => noGrad(() => cast(x, x.dtype));

/** What an optimiser remembers of each parameter: one tensor of its shape for each of the named slots, 0 at first. */
export class OptimizerState {
  readonly #tensors = new Map<string, Tensor[]>();

  /** @throws {ConfigError} when a parameter is in two groups */
  constructor(
    readonly optimizer: string,
    groups: readonly ParameterGroup[],
    readonly slots: readonly string[],
  ) {
    for (const { parameters } of groups)
      for (const [name, { value }] of parameters) {
        if (this.#tensors.has(name)) throw new ConfigError(`${optimizer}: the parameter ${name} is in two groups`);
        const { shape, dtype, device } = value;
        this.#tensors.set(
          name,
          slots.map(() => noGrad(() => zeros(shape, { dtype, device })).keep()),
        );
      }
  }

  /** The tensors of a parameter, in the order of the slots. */
  of(name: string): readonly Tensor[] {
    return this.#tensors.get(name)!;
  }

  /** All of them as `parameter.slot`. */
  *entries(): Generator<[string, Tensor]> {
    for (const [name, tensors] of this.#tensors)
      for (const [i, tensor] of tensors.entries()) yield [`${name}.${this.slots[i]}`, tensor];
  }

  /** Replaces all of them by copies. @throws {ConfigError} when one is missing */
  restore(values: ReadonlyMap<string, Tensor>): void {
    for (const [name, tensors] of this.#tensors)
      for (const [i, slot] of this.slots.entries()) {
        const value = values.get(`${name}.${slot}`);
        if (!value) throw new ConfigError(`${this.optimizer}: no moments of ${name} to restore`);
        const before = tensors[i]!;
        tensors[i] = copy(value).keep();
        before.release(`${this.optimizer}.restore()`);
      }
  }
}

type Update = "adamw" | "sgd";

/**
 * Replaces the values of all parameters that have a gradient by what a kernel writes into them, in one launch a device;
 * the values it replaces are given back.
 *
 * @param gradScale multiplies all gradients
 * @throws {DeviceError} when it is on another device than a parameter
 */
export function updateInPlace<K extends Update>(
  kernel: K,
  parameters: ReadonlyMap<string, Parameter>,
  state: OptimizerState,
  gradScale: number | Tensor,
  attributes: Attributes<K>,
): void {
  const byDevice = new Map<Backend, { parameter: Parameter; operands: Tensor[] }[]>();
  for (const [name, parameter] of parameters) {
    const { grad } = parameter;
    if (!grad) continue;
    const value = exclusive(parameter.value);
    const updates = byDevice.get(value.backend) ?? [];
    byDevice.set(value.backend, updates);
    updates.push({ parameter, operands: [value, grad, ...state.of(name)] });
  }
  for (const [backend, updates] of byDevice) {
    const [first] = updates[0]!.operands as [Tensor];
    const scale = scaleOn(first, gradScale, state.optimizer);
    const operands = [...updates.flatMap((update) => update.operands), scale];
    backend.run(kernel, operands, first, attributes);
    if (scale !== gradScale) scale.release(`${state.optimizer}.step()`);
    for (const { parameter, operands } of updates) {
      const [value] = operands as [Tensor];
      parameter.value = value;
      value.release(`${state.optimizer}.step()`);
    }
  }
}

/** The factor of the gradients as a tensor where the parameter is. */
function scaleOn({ device, dtype }: Tensor, gradScale: number | Tensor, optimizer: string): Tensor {
  if (typeof gradScale === "number") return noGrad(() => full([], gradScale, { device, dtype }));
  if (gradScale.device === device) return gradScale;
  throw new DeviceError(
    `${optimizer}.step: gradScale is on device ${gradScale.device}, the parameters are on ${device}`,
  );
}

/** The value to overwrite: the same memory if nobody else can see it, else a copy, so that tensors stay immutable. */
function exclusive(value: Tensor): Tensor {
  return value.storage.references === 1 ? value.alias() : copy(value);
}

/** Forgets the gradients and gives their memory back. */
export function forgetGradients(groups: readonly ParameterGroup[]): void {
  for (const { parameters } of groups) for (const parameter of parameters.values()) parameter.grad = null;
}
