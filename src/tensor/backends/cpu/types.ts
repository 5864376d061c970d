import type { NdArray } from "ndarray";
import type { TypedArray } from "../../dtype.ts";
import type { Attributes, PrimitiveName, UpdateName } from "../../kernels.ts";

/** A strided view of one operand's memory; a kernel reads and writes through its views alone. */
export type CpuView = NdArray<TypedArray>;

export type CpuKernel<K extends PrimitiveName | UpdateName> = (
  inputs: readonly CpuView[],
  out: CpuView,
  attributes: Attributes<K>,
) => void;

/** Every kernel that has no definition in terms of others; leaving one out does not compile. */
export type CpuKernels = { readonly [K in PrimitiveName | UpdateName]: CpuKernel<K> };
