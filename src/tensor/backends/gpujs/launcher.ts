import type { GPU, IKernelRunShortcut, KernelVariable } from "gpu.js";
import { callSite } from "../../call-site.ts";
import { DeviceError, formatShape, ViltgradError } from "../../errors.ts";
import { Cells, type CellsDevice } from "./cells.ts";
import { Counters } from "./counters.ts";
import { type DeviceMemory, deviceMemoryOf, type Handle } from "./device-memory.ts";
import { functionsIn, parametersOf } from "./functions.ts";
import type { GpuMode } from "./modes.ts";

/** What a kernel takes: the cells of an operand, or a number. */
export type Argument = Cells | number;

/** A kernel that this mode cannot compile or run; another device can. */
export class KernelError extends DeviceError {
  /** @param operation whose kernel it is */
  constructor(
    readonly operation: string,
    problem: string,
    options?: ErrorOptions,
  ) {
    super(`${operation}: ${problem}`, options);
  }
}

/** Compiled kernels that are kept; each `webasm` one holds a memory of its own. */
const KEPT = 400;
/** Cells that a kernel can address: positions are computed in float32, which is exact up to 2²⁴, except in `cpu` mode. */
const MOST_CELLS = 2 ** 24;
const COPY = "function (x) { return x[this.thread.x]; }";

/**
 * Compiles and runs kernels, and keeps what they compute where it was computed. Two calls share a compiled kernel when
 * source, lengths and output are the same.
 */
export class Launcher implements CellsDevice {
  readonly counters = new Counters();
  readonly mostCells: number;
  readonly #memory: DeviceMemory;
  readonly #compiled = new Map<string, Compiled>();
  #kept = KEPT;

  constructor(
    readonly gpu: GPU,
    readonly mode: GpuMode,
    /** Whether every call answers with a promise. */
    readonly isAsynchronous: boolean,
    /** The name of the device. */
    readonly device = `gpu:${mode}`,
  ) {
    this.#memory = deviceMemoryOf(mode, this.counters);
    const { maxTextureSize = Infinity } = gpu.Kernel.features;
    this.mostCells = mode === "cpu" ? 2 ** 31 - 1 : Math.min(MOST_CELLS, maxTextureSize ** 2);
  }

  /** Whether a thread can answer with four cells: where results stay on a GPU. */
  get hasVectors(): boolean {
    return this.#memory.isResident;
  }

  /** How many compiled kernels are kept. */
  get size(): number {
    return this.#compiled.size;
  }

  /** Whether the GPU was taken away: nothing can be computed or read any more. */
  get isLost(): boolean {
    return this.#memory.isLost();
  }

  /**
   * The cells that `source` computes, `count` of them; on their way while an argument is, or in an asynchronous mode.
   *
   * @param operation what to name in an error
   * @param cellsOfThread 4 where each thread answers with four cells that lie side by side
   * @throws {KernelError} for more cells than a kernel can address, which the steps of an operation may have
   */
  launch(operation: string, source: string, args: readonly Argument[], count: number, cellsOfThread = 1): Cells {
    if (count === 0) return Cells.onHost(this, 0, new Float32Array(0));
    if (count > this.mostCells)
      throw new KernelError(
        operation,
        `a step of it has ${count} cells, and device ${this.device} can address ${this.mostCells}; use wasm`,
      );
    const used = args.filter((argument) => argument instanceof Cells);
    this.counters.launches++;
    this.counters.bytesRead += used.reduce((bytes, cells) => bytes + 4 * cells.count, 0);
    this.counters.bytesWritten += 4 * count;
    return Cells.onDevice(this, count, this.#run(operation, source, args, count, cellsOfThread));
  }

  upload(values: Float32Array): Handle | Promise<Handle> {
    this.counters.uploads++;
    this.counters.uploadedBytes += values.byteLength;
    return this.#memory.isResident ? this.#run("upload", COPY, [values], values.length) : values;
  }

  cut(whole: Cells, first: number, count: number): Handle | Promise<Handle> {
    return this.launch("cut", `function (x) { return x[this.thread.x + ${first}]; }`, [whole], count).handle();
  }

  read(handle: Handle): Float32Array | Promise<Float32Array> {
    this.#checkPresent("read");
    const values = this.#memory.read(handle);
    const note = (known: Float32Array): Float32Array => {
      // What a lost GPU answers is no data.
      this.#checkPresent("read");
      this.counters.readBacks++;
      this.counters.readBackBytes += known.byteLength;
      return known;
    };
    return values instanceof Promise ? values.then(note) : note(values);
  }

  recycle(handle: Handle): void {
    if (!this.isLost) this.#memory.recycle(handle);
  }

  #run(
    operation: string,
    source: string,
    args: readonly (Argument | Float32Array)[],
    count: number,
    cellsOfThread = 1,
  ): Handle | Promise<Handle> {
    const call = (known: readonly Known[]) => this.#call(operation, { source, count, cellsOfThread }, known);
    const fail = (cause: unknown, site: string | null) => this.#fail(operation, args, count, cause, site);
    if (!this.isAsynchronous)
      try {
        return call(args.map((argument) => (argument instanceof Cells ? (argument.handle() as Handle) : argument)));
      } catch (cause) {
        return fail(cause, null);
      }
    // A failure that comes later has another stack: it keeps the place of this call.
    const site = callSite();
    const cells = args.filter((argument) => argument instanceof Cells).map((it) => it.retain());
    const known = args.map((argument) => (argument instanceof Cells ? argument.handle() : argument));
    return Promise.all(known)
      .then(call)
      .catch((cause) => fail(cause, site))
      .finally(() => {
        for (const it of cells) it.release();
      });
  }

  #call(operation: string, program: Program, args: readonly Known[]): Handle | Promise<Handle> {
    this.#checkPresent(operation);
    const { source, count } = program;
    const types = args.map(typeOf);
    const key = `${count} ${args.map((argument, i) => `${lengthOf(argument)} ${types[i]}`).join()} ${source}`;
    const known = this.#compiled.get(key);
    if (known) {
      this.#compiled.delete(key);
      this.#compiled.set(key, known); // most recently used last
      if (!known.built) return this.#write(known, args);
      // What is still being built would be built twice, and write to one place.
      known.lastResult = known.built.then(() => this.#write(known, args));
      return known.lastResult;
    }
    const compiled: Compiled = { program, kernel: this.#compile(program, types), built: null, lastResult: null };
    const result = this.#build(compiled, args);
    this.#compiled.set(key, compiled);
    this.counters.compiles++;
    if (result instanceof Promise) {
      const built = result.then(() => {});
      compiled.built = built;
      built.then(
        () => {
          compiled.built = null;
        },
        () => {},
      );
    }
    this.#keep(this.#kept);
    const { fallbackReason } = compiled.kernel.kernel;
    if (!fallbackReason) return result;
    this.#compiled.delete(key);
    throw new DeviceError(`${operation}: gpu.js would compute elsewhere: ${fallbackReason}`);
  }

  /** Calls a kernel for the first time; gpu.js would keep one that cannot be built for ever. */
  #build(compiled: Compiled, args: readonly Known[]): Handle | Promise<Handle> {
    const { kernel } = compiled.kernel;
    try {
      return this.#withMemory(() => this.#write(compiled, args));
    } catch (error) {
      kernel.destroy();
      throw error;
    }
  }

  /** Calls a compiled kernel. */
  #write(compiled: Compiled, args: readonly Known[]): Handle | Promise<Handle> {
    const { kernel, program } = compiled;
    this.#memory.prepare(kernel.kernel);
    const result = kernel(...(args as readonly KernelVariable[])) as unknown as Handle | Promise<Handle>;
    const adopt = (handle: Handle): Handle => {
      this.#memory.adopt(kernel.kernel, handle, program.count);
      return handle;
    };
    if (!(result instanceof Promise)) return adopt(result);
    compiled.lastResult = result.then(adopt);
    return compiled.lastResult;
  }

  /**
   * Calls a kernel. In browsers the memories of `webasm` kernels are few, a hundred or so: where there is none left, fewer
   * kernels are kept from now on.
   */
  #withMemory<T>(call: () => T): T {
    try {
      return call();
    } catch (error) {
      if (!(error instanceof RangeError) || this.#compiled.size < 2) throw error;
      this.#kept = Math.floor(this.#compiled.size / 2);
      this.#keep(this.#kept);
      return call();
    }
  }

  #compile({ source, count, cellsOfThread }: Program, argumentTypes: readonly string[]): IKernelRunShortcut {
    const functions = functionsIn(source).map(([name, f]) => ({
      name,
      source: f.source,
      settings: { argumentTypes: Array<string>(parametersOf(f)).fill("Number"), returnType: "Number" },
    }));
    // gpu.js takes functions with types in this form, which its declarations lack.
    const settings = {
      output: [count / cellsOfThread],
      precision: "single",
      loopMaxIterations: 2 ** 24,
      pipeline: this.#memory.isResident,
      // With WebGPU it would make a new buffer for every result; which one is written to is decided here.
      immutable: this.mode !== "webgpu",
      asyncMode: this.isAsynchronous,
      argumentTypes,
      functions,
    };
    return this.gpu.createKernel(source, settings as unknown as Parameters<GPU["createKernel"]>[1]);
  }

  /** Forgets the compiled kernels that were used longest ago, down to that many. */
  #keep(count: number): void {
    for (const [oldest, { kernel, lastResult }] of this.#compiled) {
      if (this.#compiled.size <= count) return;
      this.#compiled.delete(oldest);
      const destroy = () => {
        this.#memory.detach(kernel.kernel);
        kernel.destroy();
      };
      if (lastResult) lastResult.then(destroy, destroy);
      else destroy();
    }
  }

  #checkPresent(operation: string): void {
    if (this.isLost)
      throw new DeviceError(
        `${operation}: the GPU of device ${this.device} was taken away, and all that was on it is gone; loadGpu("${this.mode}") opens it again`,
      );
  }

  #fail(
    operation: string,
    args: readonly (Argument | Float32Array)[],
    count: number,
    cause: unknown,
    site: string | null,
  ): never {
    if (cause instanceof ViltgradError) throw cause;
    const sizes = args.map(lengthOf).filter((length) => length !== "n");
    const reason = (cause instanceof Error ? cause.message : String(cause)).replace(/\s+/g, " "); // gpu.js adds lines
    throw new KernelError(
      operation,
      `device ${this.device} could not compile or run its kernel for operands of ${formatShape(sizes)} cells and ${count} results${site ? `, called at ${site}` : ""}: ${reason}`,
      { cause },
    );
  }
}

/** What is compiled: for `count` cells, so many by each thread. */
interface Program {
  readonly source: string;
  readonly count: number;
  readonly cellsOfThread: number;
}

interface Compiled {
  readonly program: Program;
  readonly kernel: IKernelRunShortcut;
  /** Settled when it was built; null from then on. */
  built: Promise<void> | null;
  /** What it may still be computing. */
  lastResult: Promise<Handle> | null;
}

type Known = Handle | number;

function lengthOf(argument: Cells | Known): number | "n" {
  if (typeof argument === "number") return "n";
  if (argument instanceof Cells) return argument.count;
  return argument instanceof Float32Array ? argument.length : argument.output[0]!;
}

function typeOf(argument: Known): string {
  if (typeof argument === "number") return "Float";
  return argument instanceof Float32Array ? "Array" : argument.type;
}
