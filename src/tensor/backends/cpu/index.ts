import ndarray from "ndarray";
import type { Backend, Operand, Storage } from "../../backend.ts";
import { allocateArray, type DType, type TypedArray, toTypedArray } from "../../dtype.ts";
import { DeviceError } from "../../errors.ts";
import type { Attributes, KernelName, PrimitiveName, UpdateName } from "../../kernels.ts";
import type { Holding } from "../../memory.ts";
import { elementwise } from "./elementwise.ts";
import { indexing } from "./indexing.ts";
import { layout } from "./layout.ts";
import { linalg } from "./linalg.ts";
import { reductions } from "./reductions.ts";
import { scans } from "./scans.ts";
import type { CpuKernels, CpuView } from "./types.ts";
import { update } from "./update.ts";

export type { CpuKernels, CpuView } from "./types.ts";

export const cpuKernels: CpuKernels = {
  ...elementwise,
  ...reductions,
  ...scans,
  ...layout,
  ...indexing,
  ...linalg,
  ...update,
};

/** Whether the cpu device has that kernel; a fused one runs as its definition. */
export function isCpuKernel(kernel: KernelName): kernel is PrimitiveName | UpdateName {
  return Object.hasOwn(cpuKernels, kernel);
}

class CpuStorage implements Storage {
  references = 1;
  holding?: Holding = undefined;

  constructor(
    readonly dtype: DType,
    public data: TypedArray,
  ) {}

  get size(): number {
    return this.data.length;
  }
}

/** The device that specifies the others: plain loops over strided views, in float64, float32 and int32. */
export function createCpuBackend(): Backend {
  return new CpuBackend();
}

class CpuBackend implements Backend {
  readonly name = "cpu";
  readonly dtypes = ["float64", "float32", "int32"] as const;
  readonly fallbacks = new Map<KernelName, number>();

  allocate(dtype: DType, size: number): Storage {
    try {
      return new CpuStorage(dtype, allocateArray(dtype, size));
    } catch (cause) {
      throw new DeviceError(`allocate: device cpu has no memory for ${size} ${dtype} elements`, { cause });
    }
  }

  upload(values: TypedArray, dtype: DType): Storage {
    return new CpuStorage(dtype, toTypedArray(values, dtype));
  }

  async read(storage: Storage): Promise<TypedArray> {
    return this.readSync(storage);
  }

  readSync(storage: Storage): TypedArray {
    return dataOf(storage).slice();
  }

  release(storage: Storage): void {
    (storage as CpuStorage).data = allocateArray(storage.dtype, 0);
  }

  has(kernel: KernelName): boolean {
    return isCpuKernel(kernel);
  }

  run<K extends KernelName>(kernel: K, inputs: readonly Operand[], out: Operand, attributes: Attributes<K>): void {
    if (!isCpuKernel(kernel)) throw new DeviceError(`${kernel}: device cpu runs its definition, it has no such kernel`);
    const body = cpuKernels[kernel] as (inputs: readonly CpuView[], out: CpuView, attributes: Attributes<K>) => void;
    body(inputs.map(viewOf), viewOf(out), attributes);
  }
}

function dataOf(storage: Storage): TypedArray {
  return (storage as CpuStorage).data;
}

function viewOf({ shape, storage }: Operand): CpuView {
  return ndarray(dataOf(storage), [...shape]);
}
