import type { Backend, Operand, Storage } from "../../backend.ts";
import { BYTES } from "../../dtype.ts";
import { DeviceError } from "../../errors.ts";
import type { Attributes, JointName, KernelName } from "../../kernels.ts";
import { sizeOf } from "../../shape.ts";

/** What the operations of one kind would have cost. */
export interface KernelCost {
  readonly calls: number;
  /** 2 for each multiply-add of a matrix product; other work is not counted here but by its elements. */
  readonly productFlops: number;
  /** Output elements of everything that is not a matrix product. */
  readonly elements: number;
  readonly bytesWritten: number;
}

/** The `meta` device: tensors have a shape and nothing else, so that a model of any size can be counted. */
export interface MetaBackend extends Backend {
  /** Costs by kernel since the last reset. */
  readonly costs: ReadonlyMap<KernelName, KernelCost>;
  reset(): void;
}

/** Floating-point operations of the matrix products inside a kernel, from the shapes of its operands. */
function productFlops(kernel: KernelName, inputs: readonly Operand[], out: Operand, attributes: unknown): number {
  if (kernel === "linear" || kernel === "linearGelu" || kernel === "linearGeluSlopes")
    return 2 * sizeOf(out.shape) * inputs[1]!.shape[1]!;
  if (kernel === "linearGradients") return 2 * sizeOf(out.shape) * inputs[0]!.shape[0]!;
  if (kernel === "matmul" || kernel === "matmulAdd" || kernel === "matmulMul") {
    const { transposeA } = attributes as Attributes<"matmul">;
    return 2 * sizeOf(out.shape) * inputs[0]!.shape.at(transposeA ? -2 : -1)!;
  }
  if (kernel === "attention" || kernel === "attentionBackward") {
    const [B, N, width] = inputs[0]!.shape as [number, number, number];
    const { queries } = attributes as Attributes<"attention">;
    const products = kernel === "attention" ? 2 : 5; // Q Kᵀ and P V; again Q Kᵀ, then Ō Vᵀ, S̄ K, S̄ᵀ Q and Pᵀ Ō
    return products * 2 * B * queries * N * (width / 3);
  }
  return 0;
}

/** How many of a kernel's last operands are results too. */
const resultsAmongOperands: { readonly [K in JointName]: number } = {
  ...{ linearGeluSlopes: 1, linearGradients: 1, layerNormGradients: 2 },
};

/** All that a kernel writes. */
function resultsOf(kernel: KernelName, inputs: readonly Operand[], out: Operand): readonly Operand[] {
  const count = kernel in resultsAmongOperands ? resultsAmongOperands[kernel as JointName] : 0;
  return [out, ...inputs.slice(inputs.length - count)];
}

export function createMetaBackend(): MetaBackend {
  const costs = new Map<KernelName, KernelCost>();
  const nothingToRead = (): never => {
    throw new DeviceError(
      "data: the meta device has shapes but no values; make the tensor on another device to read it",
    );
  };
  const allocate = (dtype: Storage["dtype"], size: number): Storage => ({ dtype, size, references: 1, holding: null });
  return {
    name: "meta",
    dtypes: ["float32", "float64", "int32"],
    fallbacks: new Map(),
    costs,
    reset: () => costs.clear(),
    allocate,
    upload: (values, dtype) => allocate(dtype, values.length),
    read: async () => nothingToRead(),
    readSync: nothingToRead,
    release: () => undefined,
    has: () => true,
    run(kernel, inputs, out, attributes) {
      const before = costs.get(kernel) ?? { calls: 0, productFlops: 0, elements: 0, bytesWritten: 0 };
      const flops = productFlops(kernel, inputs, out, attributes);
      const sum = (of: (result: Operand) => number) =>
        resultsOf(kernel, inputs, out).reduce((total, result) => total + of(result), 0);
      costs.set(kernel, {
        calls: before.calls + 1,
        productFlops: before.productFlops + flops,
        elements: before.elements + (flops === 0 ? sum(({ shape }) => sizeOf(shape)) : 0),
        bytesWritten: before.bytesWritten + sum(({ shape, dtype }) => sizeOf(shape) * BYTES[dtype]),
      });
    },
  };
}
