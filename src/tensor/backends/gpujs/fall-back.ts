import ndarray from "ndarray";
import { allocateArray, type TypedArray } from "../../dtype.ts";
import type { Attributes, KernelName, TensorMeta } from "../../kernels.ts";
import { sizeOf } from "../../shape.ts";
import { type CpuView, cpuKernels, isCpuKernel } from "../cpu/index.ts";
import { fromHost, toHost } from "./storage.ts";

/** One call of a kernel that a device hands on to `cpu`; the cells of the inputs are known when it is answered. */
export interface CallOfCpu<K extends KernelName> {
  readonly device: string;
  readonly kernel: K;
  readonly inputs: readonly TensorMeta[];
  readonly out: TensorMeta;
  readonly attributes: Attributes<K>;
}

/** Whether `cpu` can answer: a fused kernel runs as its definition there, operation by operation. */
export function canAnswer(kernel: KernelName): boolean {
  return isCpuKernel(kernel);
}

/** Of an update the new cells of its inputs, else those of the output alone. */
export function answerOfCpu<K extends KernelName>(
  { device, kernel, inputs, out, attributes }: CallOfCpu<K>,
  cells: readonly Float32Array[],
  isUpdate: boolean,
): Float32Array[] {
  const body = cpuKernels[kernel as keyof typeof cpuKernels] as (
    inputs: readonly CpuView[],
    out: CpuView,
    attributes: Attributes<K>,
  ) => void;
  const views = inputs.map(({ dtype, shape }, i) => viewOf(toHost(device, cells[i]!, dtype), shape));
  const result = viewOf(allocateArray(out.dtype, sizeOf(out.shape)), out.shape);
  body(views, result, attributes);
  return isUpdate
    ? views.map(({ data }, i) => fromHost(device, data, inputs[i]!.dtype))
    : [fromHost(device, result.data, out.dtype)];
}

function viewOf(values: TypedArray, shape: readonly number[]): CpuView {
  return ndarray<TypedArray>(values, [...shape]);
}
