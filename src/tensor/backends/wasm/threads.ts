import { ConfigError } from "../../errors.ts";
import type { Allocator } from "./allocator.ts";
import type { Jobs } from "./jobs.ts";
import { canShareMemory, processors, requestedThreads, startThread, type Thread } from "./platform.ts";

/** Words of the pool; see `assembly/pool.ts`. */
const WAKE = 1152;
const ACTIVE = 1280;
const FAILED = 1284;
const HELPED = 1288;
const PENDING = 1344;
const SCRATCH_TABLE = 1408;

/** More threads than this wait for memory more than they compute. */
const MOST_BY_DEFAULT = 16;
/** The table of scratch addresses ends here. */
const MOST = 128;

/** Of each thread at first: a register tile, both packed operands of matmul, sums of one of its tiles, and some. */
export const SCRATCH_BYTES = 1_620_000;

/**
 * The threads that compute: the calling one and workers over the same memory. Results have the same bits for any
 * number of them. Workers are started by the first job that is worth it and begin to help once they are there; until
 * then, and in a web page that is not cross-origin isolated, the caller computes alone.
 */
export class Threads {
  readonly #workers: Thread[] = [];
  readonly #scratch: number[] = [];
  #scratchBytes = SCRATCH_BYTES;
  #count = 0;

  constructor(
    readonly module: WebAssembly.Module,
    readonly memory: WebAssembly.Memory,
    readonly allocator: Allocator,
    readonly jobs: Jobs,
  ) {
    this.#placeScratch(0, allocator.allocate(this.#scratchBytes));
    this.set(Math.min(requestedThreads() ?? Math.min(processors(), MOST_BY_DEFAULT), MOST));
  }

  /** How many threads are to take part, the calling one included. */
  get count(): number {
    return this.#count;
  }

  /** How many of them there are; they may still be on their way. */
  get started(): number {
    return Math.min(this.#count, 1 + this.#workers.length);
  }

  /** How many tiles workers have computed so far. */
  get helped(): number {
    return Atomics.load(new Uint32Array(this.memory.buffer), HELPED >> 2);
  }

  /** @throws {ConfigError} unless it is a whole number from 1 to 128 */
  set(count: number): void {
    if (!Number.isInteger(count) || count < 1 || count > MOST)
      throw new ConfigError(`setThreads: a whole number from 1 to ${MOST} is needed, not ${count}`);
    this.jobs.clear();
    this.#count = canShareMemory() ? count : 1;
    const words = new Int32Array(this.memory.buffer);
    Atomics.store(words, ACTIVE >> 2, this.#count);
    Atomics.add(words, WAKE >> 2, 1);
    Atomics.notify(words, WAKE >> 2);
  }

  /** Sees to it that each thread has that much scratch; waits for the jobs that use it. */
  needScratch(bytes: number): void {
    if (bytes <= this.#scratchBytes) return;
    this.jobs.settle();
    const fresh = this.#scratch.map(() => this.allocator.allocate(bytes));
    for (const address of this.#scratch) this.allocator.release(address, this.#scratchBytes);
    this.#scratchBytes = bytes;
    for (const [thread, address] of fresh.entries()) this.#placeScratch(thread, address);
  }

  #placeScratch(thread: number, address: number): void {
    this.#scratch[thread] = address;
    new Uint32Array(this.memory.buffer)[SCRATCH_TABLE / 4 + thread] = address;
  }

  /** Starts those that are missing. */
  start(): void {
    const { module, memory } = this;
    while (this.#workers.length < this.#count - 1) {
      const thread = this.#workers.length + 1;
      this.#placeScratch(thread, this.allocator.allocateRested(this.#scratchBytes)); // small jobs may be waiting
      this.#workers.push(startThread({ module, memory, thread, failed: FAILED, pending: PENDING }));
    }
  }
}
