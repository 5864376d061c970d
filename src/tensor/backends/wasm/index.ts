import ndarray from "ndarray";
import type { Backend, Operand, Storage } from "../../backend.ts";
import type { DType, TypedArray } from "../../dtype.ts";
import { DeviceError } from "../../errors.ts";
import type { Attributes, KernelName } from "../../kernels.ts";
import { type CpuView, cpuKernels, isCpuKernel } from "../cpu/index.ts";
import { Blas } from "./blas.ts";
import { WasmDevice } from "./device.ts";
import { attention } from "./kernels/attention.ts";
import { elementwise } from "./kernels/elementwise.ts";
import { indexing } from "./kernels/indexing.ts";
import { layout } from "./kernels/layout.ts";
import { linalg, linearGeluSlopes, linearGradients } from "./kernels/linalg.ts";
import { reductions } from "./kernels/reductions.ts";
import { layerNormGradients, rows } from "./kernels/rows.ts";
import type { HostKernel, HostKernels } from "./kernels/types.ts";
import { update } from "./kernels/update.ts";
import { requestedBlas } from "./platform.ts";
import type { WasmStorage } from "./residents.ts";

/** Their results stand among the operands. */
const joint = { linearGeluSlopes, linearGradients, layerNormGradients };

const kernels: HostKernels = {
  ...joint,
  ...elementwise,
  ...reductions,
  ...layout,
  ...indexing,
  ...linalg,
  ...rows,
  ...attention,
  ...update,
};

let device: WasmDevice | null = null;

/** There is one memory and one pool of threads, made when first needed. */
function theDevice(): WasmDevice {
  if (device) return device;
  device = new WasmDevice();
  const blas = requestedBlas();
  if (blas !== null) {
    try {
      setBlas(blas);
    } catch (error) {
      console.warn(`${(error as Error).message}; WebAssembly computes alone`);
    }
  }
  return device;
}

/** Sets how many threads compute, the calling one included; results have the same bits for any number. */
export function setThreads(count: number): void {
  theDevice().threads.set(count);
}

/**
 * Lets a BLAS library of the system compute large matrix products on the memory of this device. Its sums have an order of
 * their own: results then differ in their last bits from those without it, and between numbers of threads.
 *
 * @param where a library's path or name, "auto" for OpenBLAS, MKL or Accelerate where one is found, null for none
 * @returns the library's name, null for none
 * @throws {DeviceError} when the package koffi or the library is missing; all goes on without
 */
export function setBlas(where: string | null): string | null {
  const device = theDevice();
  device.useLibrary(null);
  if (where === null) return null;
  const blas = Blas.load(where);
  device.useLibrary(blas);
  return blas.path;
}

/** How many threads compute, the calling one included. */
export function getThreads(): number {
  return theDevice().threads.count;
}

/** How many tiles of work threads other than the calling one have done: 0 while none of them has started. */
export function tilesByWorkers(): number {
  return theDevice().threads.helped;
}

/** Bytes of tensors and working space in use, and bytes of the memory altogether. */
export function wasmMemory(): { used: number; reserved: number } {
  return theDevice().allocator.statistics;
}

/** Whether products and sums are fused (relaxed SIMD) here. */
export function hasFusedMultiplyAdd(): boolean {
  return theDevice().fused;
}

/** The fast device of Node and browsers: AssemblyScript kernels with SIMD and threads, in float32 and int32. */
export function createWasmBackend(): Backend {
  return new WasmBackend(theDevice());
}

class WasmBackend implements Backend {
  readonly name = "wasm";
  readonly dtypes = ["float32", "int32"] as const;
  readonly fallbacks = new Map<KernelName, number>();

  constructor(readonly device: WasmDevice) {}

  allocate(dtype: DType, size: number): Storage {
    return this.device.residents.allocate(dtype, size);
  }

  upload(values: TypedArray, dtype: DType): Storage {
    return this.device.residents.upload(values, dtype);
  }

  async read(storage: Storage): Promise<TypedArray> {
    return this.readSync(storage);
  }

  readSync(storage: Storage): TypedArray {
    return this.device.residents.read(storage as WasmStorage);
  }

  release(storage: Storage): void {
    this.device.residents.release(storage as WasmStorage);
  }

  memory() {
    const { allocator, residents } = this.device;
    return {
      ...allocator.statistics,
      maximum: allocator.maximumBytes,
      moved: residents.moved,
      holdings: residents.holdings(),
    };
  }

  has(kernel: KernelName): boolean {
    return kernels[kernel] !== undefined;
  }

  run<K extends KernelName>(kernel: K, inputs: readonly Operand[], out: Operand, attributes: Attributes<K>): void {
    const { residents, jobs } = this.device;
    residents.use(inputs, out);
    const own = kernels[kernel] as HostKernel<K> | undefined;
    if (!own?.(this.device, inputs, out, attributes)) this.#fallBack(kernel, inputs, out, attributes);
    (out.storage as WasmStorage).holding.writtenBy = jobs.launched;
    if (kernel in update || kernel in joint)
      for (const { storage } of inputs) (storage as WasmStorage).holding.writtenBy = jobs.launched;
  }

  settle(): void {
    this.device.jobs.settle();
  }

  /** Runs the kernel of `cpu` on this memory, and counts it. */
  #fallBack<K extends KernelName>(
    kernel: K,
    inputs: readonly Operand[],
    out: Operand,
    attributes: Attributes<K>,
  ): void {
    if (!isCpuKernel(kernel))
      throw new DeviceError(`${kernel}: device wasm runs its definition, it has no such kernel`);
    this.fallbacks.set(kernel, (this.fallbacks.get(kernel) ?? 0) + 1);
    const view = ({ shape, storage }: Operand): CpuView =>
      ndarray<TypedArray>(this.device.view(storage as WasmStorage), [...shape]);
    const body = cpuKernels[kernel] as (inputs: readonly CpuView[], out: CpuView, attributes: Attributes<K>) => void;
    body(inputs.map(view), view(out), attributes);
  }
}
