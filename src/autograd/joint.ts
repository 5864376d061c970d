import type { Attributes, JointName, TensorMeta } from "../tensor/kernels.ts";
import { sizeOf } from "../tensor/shape.ts";
import { Tensor } from "../tensor/tensor.ts";
import { isSearching, searchResult } from "./anomaly.ts";
import { isRecording } from "./graph.ts";
import { commonBackend } from "./primitive.ts";

/** Several functions of the same operands that some devices compute at once. */
export interface Joint<K extends JointName> {
  readonly name: K;
  infer(inputs: readonly Tensor[], attributes: Attributes<K>): readonly TensorMeta[];
  /** The truth: what the results of the kernel must equal. */
  definition(inputs: readonly Tensor[], attributes: Attributes<K>): readonly Tensor[];
}

/** Names a kernel with several results that a measurement showed to matter; see `JointKernels` for what each takes. */
export function defineJoint<K extends JointName>(name: K, { infer, definition }: Omit<Joint<K>, "name">): Joint<K> {
  return { name, infer, definition };
}

/** Whether there is a kernel here, and no graph that would have to note what it computes. */
export function runsJointly({ name }: Joint<JointName>, { backend }: Tensor): boolean {
  return !isRecording() && backend.has(name);
}

/** The results of the kernel where `runsJointly` says so, else those of the definition. */
export function applyJoint<K extends JointName>(
  joint: Joint<K>,
  inputs: readonly Tensor[],
  attributes: Attributes<K>,
): readonly Tensor[] {
  const { name } = joint;
  const backend = commonBackend(name, inputs);
  if (!runsJointly(joint, inputs[0]!)) return joint.definition(inputs, attributes);
  const results = joint
    .infer(inputs, attributes)
    .map(({ shape, dtype }) => new Tensor(backend, shape, backend.allocate(dtype, sizeOf(shape)), name));
  const [out, ...others] = results;
  backend.run(name, [...inputs, ...others], out!, attributes);
  if (isSearching) for (const result of results) searchResult(name, inputs, result);
  return results;
}
