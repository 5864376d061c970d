import type { Backend, Operand, Storage } from "../../backend.ts";
import type { DType, TypedArray } from "../../dtype.ts";
import { DeviceError, formatShape } from "../../errors.ts";
import type { Attributes, KernelName, TensorMeta, UpdateName } from "../../kernels.ts";
import type { DeviceMemory, Holding } from "../../memory.ts";
import { sizeOf } from "../../shape.ts";
import { Cells } from "./cells.ts";
import { indexCheck } from "./checks.ts";
import type { GpuCounters } from "./counters.ts";
import { answerOfCpu, canAnswer } from "./fall-back.ts";
import { type GpuKernels, gpuKernels, gpuUpdates, operandsOf } from "./kernels/index.ts";
import type { GpuKernel, GpuOperand, GpuUpdate, Launch } from "./kernels/types.ts";
import { type Argument, KernelError, type Launcher } from "./launcher.ts";
import { type Contents, fromHost, GpuStorage, toHost } from "./storage.ts";

type Answer = readonly (Cells | null)[];

/**
 * The device of gpu.js in one mode: float32, and int32 as float32. Cells stay where they were computed; in an
 * asynchronous mode they may still be on their way. What the mode cannot do is answered by `cpu`, counted, and said once.
 */
export class GpuBackend implements Backend {
  readonly name: string;
  readonly dtypes = ["float32", "int32"] as const;
  readonly fallbacks = new Map<KernelName, number>();
  readonly #living = new Set<Contents>();
  readonly #collected = new FinalizationRegistry<Contents>((contents) => this.#giveBack(contents));

  /** @param kernels those that the mode has; the others are answered by `cpu` */
  constructor(
    readonly launcher: Launcher,
    readonly kernels: GpuKernels = gpuKernels,
  ) {
    this.name = launcher.device;
  }

  get answersLater(): boolean {
    return this.launcher.isAsynchronous;
  }

  get counters(): GpuCounters {
    return { ...this.launcher.counters };
  }

  /** Counts from 0 again. What is alive stays. */
  resetCounters(): void {
    this.launcher.counters.reset();
    this.fallbacks.clear();
  }

  allocate(dtype: DType, size: number): Storage {
    const storage = new GpuStorage(dtype, size);
    this.#living.add(storage.holding);
    this.#collected.register(storage, storage.holding, storage.holding);
    return storage;
  }

  upload(values: TypedArray, dtype: DType): Storage {
    const cells = fromHost(this.name, values, dtype);
    const storage = this.allocate(dtype, values.length);
    contentsOf(storage).cells = Cells.onHost(this.launcher, values.length, cells, dtype === "int32");
    return storage;
  }

  async read(storage: Storage): Promise<TypedArray> {
    return toHost(this.name, await cellsOf(this.launcher, storage).values(), storage.dtype);
  }

  readSync(storage: Storage): TypedArray {
    const values = cellsOf(this.launcher, storage).values();
    if (values instanceof Promise) throw new DeviceError(`dataSync: device ${this.name} answers later; await data()`);
    return toHost(this.name, values, storage.dtype);
  }

  release(storage: Storage): void {
    const contents = contentsOf(storage);
    this.#collected.unregister(contents);
    this.#giveBack(contents);
  }

  #giveBack(contents: Contents): void {
    contents.replace(null);
    this.#living.delete(contents);
  }

  memory(): DeviceMemory & { readonly holdings: Iterable<Holding> } {
    const used = [...this.#living].reduce((sum, { bytes, cells }) => sum + (cells ? bytes : 0), 0);
    const { liveBytes } = this.launcher.counters;
    return { used, reserved: Math.max(used, liveBytes), maximum: Infinity, moved: 0, holdings: this.#living };
  }

  has(kernel: KernelName): boolean {
    return kernel in this.kernels || kernel in gpuUpdates;
  }

  run<K extends KernelName>(kernel: K, inputs: readonly Operand[], out: Operand, attributes: Attributes<K>): void {
    const operands = inputs.map(
      ({ shape, dtype, storage }): GpuOperand => ({ shape, dtype, cells: cellsOf(this.launcher, storage) }),
    );
    const call = { kernel, operands, out, attributes, made: [] };
    this.launcher.counters.operations += operationsIn(kernel, inputs.length, attributes);
    const targets = kernel in gpuUpdates ? inputs : [out];
    try {
      for (const [i, cells] of this.#answer(call).entries()) if (cells) contentsOf(targets[i]!.storage).replace(cells);
    } finally {
      for (const cells of call.made as Cells[]) cells.release();
    }
  }

  /** By the mode's kernel where there is one that can, else by `cpu`. */
  #answer<K extends KernelName>(call: Call<K>): Answer {
    const { kernel, operands, out } = call;
    if (!this.has(kernel)) return this.#fallBack(call, null);
    const large = [...operands, out].find(({ shape }) => sizeOf(shape) > this.launcher.mostCells);
    if (large) return this.#fallBack(call, tooLarge(kernel, this.name, large.shape, this.launcher.mostCells));
    const condition = this.#checkIndices(call);
    try {
      const answer = this.#compute(call);
      for (const cells of answer) if (condition && cells) cells.require(condition);
      if (this.launcher.isAsynchronous) this.#insure(call, answer);
      return answer;
    } catch (error) {
      if (error instanceof KernelError) return this.#fallBack(call, error);
      throw error;
    }
  }

  /** Refuses indices that are out of range: now, or when they are known. */
  #checkIndices<K extends KernelName>({ kernel, operands, out, attributes }: Call<K>): Promise<void> | null {
    const { axis = 0 } = attributes as { axis?: number };
    const needed = indexCheck(kernel, operands, out.shape, axis);
    if (!needed) return null;
    const values = needed.indices.cells.values();
    if (!(values instanceof Promise)) {
      needed.check(values);
      return null;
    }
    const condition = values.then(needed.check);
    condition.catch(() => {}); // `cpu` looks at them itself where it answers instead
    return condition;
  }

  #compute<K extends KernelName>({ kernel, operands, out, attributes, made }: Call<K>): Answer {
    const launchOf = (cellsOfThread: number) => (source: string, args: readonly Argument[], count: number) => {
      const cells = this.launcher.launch(kernel, source, args, count, cellsOfThread);
      made.push(cells);
      return cells;
    };
    const launch: Launch = Object.assign(launchOf(1), { four: this.launcher.hasVectors ? launchOf(4) : null });
    if (kernel in gpuUpdates) {
      const update = gpuUpdates[kernel as UpdateName] as GpuUpdate<K & UpdateName>;
      const answer = update(launch, operands, attributes as Attributes<K & UpdateName>);
      made.push(...(answer.filter((cells) => cells !== null && !made.includes(cells)) as Cells[]));
      return answer;
    }
    const body = (this.kernels as Partial<Record<KernelName, unknown>>)[kernel] as GpuKernel<K>;
    return [body(launch, operands, { shape: out.shape, dtype: out.dtype, size: sizeOf(out.shape) }, attributes)];
  }

  /** What `cpu` answers, counted; `reason` is said the first time. */
  #fallBack<K extends KernelName>({ kernel, operands, out, attributes, made }: Call<K>, reason: Error | null): Answer {
    if (!canAnswer(kernel))
      throw reason ?? new DeviceError(`${kernel}: device ${this.name} runs its definition, it has no such kernel`);
    if (reason && !this.fallbacks.has(kernel)) console.warn(`${reason.message}; cpu answers instead`);
    this.fallbacks.set(kernel, (this.fallbacks.get(kernel) ?? 0) + 1);
    this.launcher.counters.fallbacks++;
    const isUpdate = kernel in gpuUpdates;
    const call = { device: this.name, kernel, inputs: operands, out, attributes };
    const compute = (cells: readonly Float32Array[]) => answerOfCpu(call, cells, isUpdate);
    const known = operands.map(({ cells }) => cells.values());
    const results = known.some((values) => values instanceof Promise)
      ? Promise.all(known).then(compute)
      : compute(known as Float32Array[]);
    return (isUpdate ? operands : [out]).map(({ shape, dtype }, i) => {
      const values = results instanceof Promise ? results.then((all) => all[i]!) : results[i]!;
      const cells = Cells.onHost(this.launcher, sizeOf(shape), values, dtype === "int32");
      made.push(cells);
      return cells;
    });
  }

  /** Lets `cpu` answer where it turns out later that a kernel cannot be compiled or run. */
  #insure<K extends KernelName>(call: Call<K>, answer: Answer): void {
    const inputs = call.operands.map(({ cells }) => cells.retain());
    let instead: Answer | null = null;
    const settled = answer.map((cells, i) =>
      cells?.insure((error) => {
        // What an operand has failed with is not this kernel's: `cpu` would want that operand too.
        if (!(error instanceof KernelError && error.operation === call.kernel)) throw error;
        instead ??= this.#fallBack({ ...call, made: [] }, error);
        return instead[i]!.handle();
      }),
    );
    Promise.allSettled(settled).then(() => {
      for (const cells of inputs) cells.release();
    });
  }
}

/** One call of a kernel, and all cells that are made for it: what nobody retains goes when it has been answered. */
interface Call<K extends KernelName> {
  readonly kernel: K;
  readonly operands: readonly GpuOperand[];
  readonly out: TensorMeta;
  readonly attributes: Attributes<K>;
  readonly made: Cells[];
}

/** A kernel over many tensors is one operation for each, an iteration one for each time. */
function operationsIn<K extends KernelName>(kernel: K, inputs: number, attributes: Attributes<K>): number {
  if (kernel in gpuUpdates) return Math.floor(inputs / operandsOf[kernel as UpdateName]);
  if (kernel === "sumOfSquares") return inputs;
  return Math.max(1, (attributes as { iterations?: number }).iterations ?? 1);
}

function contentsOf(storage: Storage): Contents {
  return (storage as GpuStorage).holding;
}

/** Memory into which nothing was computed holds zeros. */
function cellsOf(launcher: Launcher, storage: Storage): Cells {
  const contents = contentsOf(storage);
  contents.cells ??= Cells.onHost(launcher, storage.size, new Float32Array(storage.size), storage.dtype === "int32");
  return contents.cells;
}

function tooLarge(kernel: KernelName, device: string, shape: readonly number[], most: number): DeviceError {
  return new DeviceError(
    `${kernel}: ${formatShape(shape)} has ${sizeOf(shape)} cells, and device ${device} can address ${most}; use wasm`,
  );
}
