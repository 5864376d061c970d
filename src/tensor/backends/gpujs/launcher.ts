import type { GPU } from "gpu.js";
import { callSite } from "../../call-site.ts";
import { DeviceError, formatShape, ViltgradError } from "../../errors.ts";
import { Cells, type CellsDevice } from "./cells.ts";
import { Counters } from "./counters.ts";
import { type DeviceMemory, deviceMemoryOf, type Handle } from "./device-memory.ts";
import type { GpuMode } from "./modes.ts";
import { type Known, lengthOf, Programs } from "./programs.ts";

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

/** Cells that a kernel can address: positions are computed in float32, which is exact up to 2²⁴, except in `cpu` mode. */
const MOST_CELLS = 2 ** 24;
const COPY = "function (x) { return x[this.thread.x]; }";

/** Runs kernels, and keeps what they compute where it was computed. */
export class Launcher implements CellsDevice {
  readonly counters = new Counters();
  readonly mostCells: number;
  readonly #memory: DeviceMemory;
  readonly #programs: Programs;

  constructor(
    readonly gpu: GPU,
    readonly mode: GpuMode,
    /** Whether every call answers with a promise. */
    readonly isAsynchronous: boolean,
    /** The name of the device. */
    readonly device = `gpu:${mode}`,
  ) {
    this.#memory = deviceMemoryOf(mode, this.counters);
    const isImmutable = mode !== "webgpu";
    this.#programs = new Programs({ gpu, isAsynchronous, isImmutable, memory: this.#memory, counters: this.counters });
    const { maxTextureSize = Infinity } = gpu.Kernel.features;
    this.mostCells = mode === "cpu" ? 2 ** 31 - 1 : Math.min(MOST_CELLS, maxTextureSize ** 2);
  }

  /** Whether a thread can answer with four cells: where results stay on a GPU. */
  get hasVectors(): boolean {
    return this.#memory.isResident;
  }

  /** How many compiled kernels are kept. */
  get size(): number {
    return this.#programs.size;
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
    const call = (known: readonly Known[]) => {
      this.#checkPresent(operation);
      return this.#programs.call({ source, count, cellsOfThread }, known);
    };
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
    const lengths = args.map((argument) => (argument instanceof Cells ? argument.count : lengthOf(argument)));
    const sizes = lengths.filter((length) => length !== "n");
    const reason = (cause instanceof Error ? cause.message : String(cause)).replace(/\s+/g, " "); // gpu.js adds lines
    throw new KernelError(
      operation,
      `device ${this.device} could not compile or run its kernel for operands of ${formatShape(sizes)} cells and ${count} results${site ? `, called at ${site}` : ""}: ${reason}`,
      { cause },
    );
  }
}
