import ndarray from "ndarray";
import type { Backend, Operand, Storage } from "../../backend.ts";
import { allocateArray, type DType, type TypedArray } from "../../dtype.ts";
import { DeviceError } from "../../errors.ts";
import type { Attributes, KernelName } from "../../kernels.ts";
import { sizeOf } from "../../shape.ts";
import { type CpuView, cpuKernels, isCpuKernel } from "../cpu/index.ts";
import { checkIndices, checkSizes } from "./checks.ts";
import { type GpuKernels, gpuKernels, gpuUpdates } from "./kernels/index.ts";
import type { GpuKernel, GpuOperand, GpuUpdate, Launch } from "./kernels/types.ts";
import type { Launcher } from "./launcher.ts";
import { type Cells, cellsNow, fromHost, GpuStorage, isPending, toHost } from "./storage.ts";

/** The device of gpu.js in one mode: float32, and int32 as float32. In an asynchronous mode storages are pending. */
export class GpuBackend implements Backend {
  readonly name: string;
  readonly dtypes = ["float32", "int32"] as const;
  readonly fallbacks = new Map<KernelName, number>();

  /** @param kernels those that the mode has; the others are answered by `cpu` */
  constructor(
    readonly launcher: Launcher,
    readonly kernels: GpuKernels = gpuKernels,
  ) {
    this.name = launcher.device;
  }

  allocate(dtype: DType, size: number): Storage {
    return new GpuStorage(dtype, size, null);
  }

  upload(values: TypedArray, dtype: DType): Storage {
    return new GpuStorage(dtype, values.length, fromHost(this.name, values, dtype));
  }

  async read(storage: Storage): Promise<TypedArray> {
    const { cells, dtype, size } = storage as GpuStorage;
    return toHost(this.name, (await cells) ?? new Float32Array(size), dtype);
  }

  readSync(storage: Storage): TypedArray {
    return toHost(this.name, cellsNow(this.name, storage as GpuStorage), storage.dtype);
  }

  release(storage: Storage): void {
    (storage as GpuStorage).cells = null;
  }

  has(kernel: KernelName): boolean {
    return kernel in this.kernels || kernel in gpuUpdates;
  }

  run<K extends KernelName>(kernel: K, inputs: readonly Operand[], out: Operand, attributes: Attributes<K>): void {
    const shapes = [...inputs, out].map(({ shape }) => shape);
    checkSizes(kernel, this.name, this.launcher.mostCells, shapes);
    const operands = inputs.map(operandOf);
    const launch: Launch = (source, args, count) => this.launcher.launch(kernel, source, args, count);
    if (kernel in gpuUpdates) {
      const update = gpuUpdates[kernel as keyof typeof gpuUpdates] as GpuUpdate<K & keyof typeof gpuUpdates>;
      const replaced = update(launch, operands, attributes as Attributes<K & keyof typeof gpuUpdates>);
      for (const [i, cells] of replaced.entries()) if (cells) store(inputs[i]!.storage, cells);
      return;
    }
    const body = (this.kernels as Partial<Record<KernelName, unknown>>)[kernel] as GpuKernel<K> | undefined;
    if (!body) {
      this.#fallBack(kernel, operands, out, attributes);
      return;
    }
    const result = { shape: out.shape, dtype: out.dtype, size: sizeOf(out.shape) };
    const { axis = 0 } = attributes as { axis?: number };
    store(
      out.storage,
      afterwards(operands, (known) => {
        checkIndices(kernel, known, out.shape, axis);
        return body(launch, known, result, attributes);
      }),
    );
  }

  /** Runs the kernel of `cpu` on what is read back, and counts it. */
  #fallBack<K extends KernelName>(
    kernel: K,
    inputs: readonly GpuOperand[],
    { shape, dtype, storage }: Operand,
    attributes: Attributes<K>,
  ): void {
    if (!isCpuKernel(kernel))
      throw new DeviceError(`${kernel}: device ${this.name} runs its definition, it has no such kernel`);
    this.fallbacks.set(kernel, (this.fallbacks.get(kernel) ?? 0) + 1);
    const body = cpuKernels[kernel] as (inputs: readonly CpuView[], out: CpuView, attributes: Attributes<K>) => void;
    const compute = (known: readonly GpuOperand[]): Float32Array => {
      const views = known.map((it) =>
        ndarray<TypedArray>(toHost(this.name, it.cells as Float32Array, it.dtype), [...it.shape]),
      );
      const values = allocateArray(dtype, sizeOf(shape));
      body(views, ndarray<TypedArray>(values, [...shape]), attributes);
      return fromHost(this.name, values, dtype);
    };
    store(storage, afterwards(inputs, compute));
  }
}

function operandOf({ shape, dtype, storage }: Operand): GpuOperand {
  return { shape, dtype, cells: (storage as GpuStorage).cells ?? new Float32Array(storage.size) };
}

/** Calls `body` with operands whose cells are known: at once where they are, else when they are. */
function afterwards(operands: readonly GpuOperand[], body: (known: readonly GpuOperand[]) => Cells): Cells {
  if (!operands.some(({ cells }) => isPending(cells))) return body(operands);
  return Promise.all(operands.map(async (operand) => ({ ...operand, cells: await operand.cells }))).then(body);
}

function store(storage: Storage, cells: Cells): void {
  // Whoever reads the storage gets the failure; a storage that nobody reads must not end the program.
  if (isPending(cells)) cells.catch(() => {});
  (storage as GpuStorage).cells = cells;
}
