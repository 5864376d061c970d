import type { Attributes, FusedName, TensorMeta } from "../tensor/kernels.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { searchedAsOne, searchedAtTheEnd } from "./anomaly.ts";
import type { PullBack } from "./graph.ts";
import { commonBackend, type Rule, recordRule, runKernel } from "./primitive.ts";
import { recomputePullBack, withoutGraph } from "./recompute.ts";

/** A function of other operations that has kernels of its own on some devices. */
export interface Fused<K extends FusedName> {
  readonly name: K;
  infer(inputs: readonly Tensor[], attributes: Attributes<K>): TensorMeta;
  /** The truth: what the kernel must equal in value and in gradient. */
  definition(inputs: readonly Tensor[], attributes: Attributes<K>): Tensor;
  readonly vjp: Rule<K>;
}

interface FusedDefinition<K extends FusedName> extends Omit<Fused<K>, "name" | "vjp"> {
  /** A closed form of the derivative; without one it is the definition's. */
  readonly vjp?: Rule<K>;
}

/** Names a function whose kernel a measurement showed to matter; see `FusedKernels` for what each takes. */
export function defineFused<K extends FusedName>(name: K, { infer, definition, vjp }: FusedDefinition<K>): Fused<K> {
  return { name, infer, definition, vjp: vjp ?? definitionRule(name, definition) };
}

/** Runs the device's kernel, or the definition where it has none, and notes one operation in the graph either way. */
export function applyFused<K extends FusedName>(
  fused: Fused<K>,
  inputs: readonly Tensor[],
  attributes: Attributes<K>,
): Tensor {
  const meta = fused.infer(inputs, attributes);
  const out = commonBackend(fused.name, inputs).has(fused.name)
    ? runKernel(fused.name, inputs, attributes, meta)
    : searchedAsOne(fused.name, inputs, () => withoutGraph(fused.name, () => fused.definition(inputs, attributes)));
  recordRule(fused, inputs, attributes, out);
  return out;
}

/** The derivative of a definition: computed again with a graph. */
function definitionRule<K extends FusedName>(name: K, definition: Fused<K>["definition"]): Rule<K> {
  return ({ grad, inputs, attributes }) =>
    searchedAtTheEnd(() => recomputePullBack(name, (...own) => definition(own, attributes), inputs, [], grad)).map(
      (share): PullBack | null => share && (() => share),
    );
}
