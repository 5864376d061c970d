import type { Operand } from "../../../backend.ts";
import type { Attributes, KernelName } from "../../../kernels.ts";
import type { WasmDevice } from "../device.ts";

/** Writes the arguments of a job and runs it; false when these operands are not for it, and nothing was done. */
export type HostKernel<K extends KernelName> = (
  device: WasmDevice,
  inputs: readonly Operand[],
  out: Operand,
  attributes: Attributes<K>,
) => boolean;

/** A kernel without attributes. */
export type PlainKernel = (device: WasmDevice, inputs: readonly Operand[], out: Operand) => boolean;

export type HostKernels = { readonly [K in KernelName]?: HostKernel<K> };
