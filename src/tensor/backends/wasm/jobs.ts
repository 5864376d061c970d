import { DeviceError } from "../../errors.ts";
import type { Kernel } from "./assembly/kernel.ts";
import { nativeProducts } from "./native-product.ts";
import { canWait, loadPackage } from "./platform.ts";

/** What the modules export; see `assembly/pool.ts`. */
interface Exports {
  alone(kernel: Kernel, tiles: number): void;
  launch(kernel: Kernel, tiles: number, wakes: boolean, canWait: boolean): number;
  settle(left: number, canWait: boolean): number;
  abandon(): void;
}

/** Words of the pool. */
const FAILED = 1284;
const PENDING = 1344;
/** The ticket has 24 bits for tiles. */
const MAXIMUM_TILES = 2 ** 24 - 1;

/**
 * The queue of jobs, seen from the thread that fills it. Jobs run in order, while this thread goes on: whoever looks at
 * memory that a job may be using has to wait for it. A block that is given back while jobs still use it may be the
 * result of a later job at once, but the host may write to it only when `done` has come that far.
 */
export class Jobs {
  /** Jobs given to the queue so far. */
  launched = 0;
  readonly #exports: Exports;
  readonly #words: Int32Array;
  readonly #canWait: boolean;

  /** @param afterKernels called when kernels may have run on this thread */
  constructor(
    module: WebAssembly.Module,
    memory: WebAssembly.Memory,
    readonly afterKernels: () => void,
  ) {
    const sgemm = nativeProducts(memory, loadPackage);
    this.#exports = new WebAssembly.Instance(module, { env: { memory, sgemm } }).exports as unknown as Exports;
    this.#words = new Int32Array(memory.buffer, 0, PENDING / 4 + 1);
    this.#canWait = canWait(memory);
  }

  /** So many of them, the first ones, are done. */
  get done(): number {
    return this.launched - Atomics.load(this.#words, PENDING / 4);
  }

  /**
   * Runs the job whose arguments have been left: at once on one thread, else when those before it are done.
   *
   * @param wakes whether threads that sleep are woken for it
   * @param threads how many there are
   * @throws {DeviceError} when a thread died or does not answer
   */
  run(kernel: Kernel, tiles: number, wakes: boolean, threads: number): void {
    if (tiles === 0) return;
    if (threads < 2 || tiles > MAXIMUM_TILES) {
      this.settle();
      this.#exports.alone(kernel, tiles);
      this.afterKernels();
      return;
    }
    this.launched++;
    this.#check(this.#exports.launch(kernel, tiles, wakes, this.#canWait));
  }

  /**
   * Waits until so many jobs, the first ones, are done, and helps. Default: all.
   *
   * @throws {DeviceError} when a thread died or does not answer
   */
  settle(jobs = this.launched): void {
    if (this.done < jobs) this.#check(this.#exports.settle(this.launched - jobs, this.#canWait));
  }

  /** Waits too, but forgets the jobs if a thread died. */
  clear(): void {
    if (Atomics.load(this.#words, FAILED / 4) === 0) this.settle();
    else this.#exports.abandon();
  }

  #check(status: number): void {
    this.afterKernels();
    if (status !== 0)
      throw new DeviceError(
        `wasm: a thread ${status === 1 ? "died" : "does not answer"}; setThreads(1) computes without it`,
      );
  }
}
