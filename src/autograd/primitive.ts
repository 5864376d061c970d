import { type Backend, checkDType } from "../tensor/backend.ts";
import { DeviceError } from "../tensor/errors.ts";
import type { Attributes, KernelName, PrimitiveName, TensorMeta } from "../tensor/kernels.ts";
import { sizeOf } from "../tensor/shape.ts";
import { Tensor } from "../tensor/tensor.ts";
import { isSearching, searchedPullBacks, searchResult } from "./anomaly.ts";
import { type PullBack, record } from "./graph.ts";

/** What a pull-back rule sees: the graph's own tensors, never copies, so that the rule can be differentiated again. */
export interface RuleContext<K extends KernelName> {
  /** Gradient of the final result with respect to `out`. */
  readonly grad: Tensor;
  readonly inputs: readonly Tensor[];
  readonly out: Tensor;
  readonly attributes: Attributes<K>;
}

/** One lazy pull-back per input, null where the derivative is zero; "none" where it is zero for all of them. */
export type Rule<K extends KernelName> = ((context: RuleContext<K>) => readonly (PullBack | null)[]) | "none";

export interface Primitive<K extends KernelName> {
  readonly name: K;
  /** Checks the operands and says what the result will be; runs before any kernel, on every device. */
  infer(inputs: readonly Tensor[], attributes: Attributes<K>): TensorMeta;
  readonly vjp: Rule<K>;
}

/** An operation that cannot be said with other operations; its name picks the kernel. */
export function definePrimitive<K extends PrimitiveName>(
  name: K,
  { infer, vjp }: Omit<Primitive<K>, "name">,
): Primitive<K> {
  return { name, infer, vjp };
}

/** Runs a primitive and notes it in the graph. */
export function apply<K extends PrimitiveName>(
  primitive: Primitive<K>,
  inputs: readonly Tensor[],
  attributes: Attributes<K>,
): Tensor {
  const out = runKernel(primitive.name, inputs, attributes, primitive.infer(inputs, attributes));
  recordRule(primitive, inputs, attributes, out);
  return out;
}

/** Runs one kernel into fresh memory; no graph. */
export function runKernel<K extends KernelName>(
  name: K,
  inputs: readonly Tensor[],
  attributes: Attributes<K>,
  { shape, dtype }: TensorMeta,
): Tensor {
  const backend = commonBackend(name, inputs);
  checkDType(name, backend, dtype);
  const out = new Tensor(backend, shape, backend.allocate(dtype, sizeOf(shape)), name);
  backend.run(name, inputs, out, attributes);
  if (isSearching) searchResult(name, inputs, out);
  return out;
}

/** Notes in the graph that `out` came from `inputs` by this rule. */
export function recordRule<K extends KernelName>(
  { name, vjp }: Pick<Primitive<K>, "name" | "vjp">,
  inputs: readonly Tensor[],
  attributes: Attributes<K>,
  out: Tensor,
): void {
  if (vjp === "none") return;
  record(name, inputs, out, (grad) => {
    const pullBacks = () => vjp({ grad, inputs, out, attributes });
    return isSearching ? searchedPullBacks(name, out, pullBacks) : pullBacks();
  });
}

/** @throws {DeviceError} when operands live on different devices */
export function commonBackend(operation: string, inputs: readonly Tensor[]): Backend {
  const { backend } = inputs[0]!;
  for (const input of inputs)
    if (input.backend !== backend)
      throw new DeviceError(
        `${operation}: operands are on ${backend.name} and ${input.backend.name}; move one with toDevice()`,
      );
  return backend;
}
