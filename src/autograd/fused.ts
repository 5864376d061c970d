import type { Attributes, FusedName, TensorMeta } from "../tensor/kernels.ts";
import { scope } from "../tensor/scope.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { grad } from "./grad.ts";
import { isRecording, isTracked, type PullBack, variable, withRecording } from "./graph.ts";
import { reshape } from "./ops/layout.ts";
import { commonBackend, type Rule, recordRule, runKernel } from "./primitive.ts";

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
  return { name, infer, definition, vjp: vjp ?? definitionRule(definition) };
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
    : scope(() => withRecording(false, () => fused.definition(inputs, attributes)), fused.name).alias(
        meta.shape,
        fused.name,
      );
  recordRule(fused, inputs, attributes, out);
  return out;
}

/** The derivative of a definition: computed again with a graph, of inputs that are independent of each other. */
function definitionRule<K extends FusedName>(definition: Fused<K>["definition"]): Rule<K> {
  return ({ grad: seed, inputs, attributes }) => {
    let shares: Map<number, Tensor> | undefined;
    const compute = () => {
      const createGraph = isRecording();
      const differentiable = inputs.flatMap((input, i) => (input.dtype === "int32" ? [] : [i]));
      return withRecording(true, () => {
        const own = inputs.map((input, i) =>
          !differentiable.includes(i)
            ? input
            : createGraph && isTracked(input)
              ? reshape(input, input.shape)
              : variable(input),
        );
        const xs = differentiable.map((i) => own[i]!);
        const grads = grad(definition(own, attributes), xs, { seed, createGraph });
        return new Map(differentiable.map((i, k) => [i, grads[k]!]));
      });
    };
    return inputs.map((input, i): PullBack | null => {
      if (input.dtype === "int32") return null;
      return () => {
        shares ??= compute();
        return shares.get(i)!;
      };
    });
  };
}
