import { ConfigError } from "../../errors.ts";
import { canShareMemory, processors, requestedThreads, startThread, type Thread } from "./platform.ts";

/** Words of the pool; see `assembly/pool.ts`. */
const DONE = 1088;
const WAKE = 1152;
const ACTIVE = 1280;
const FAILED = 1284;

/** More threads than this wait for memory more than they compute. */
const MOST_BY_DEFAULT = 16;

/**
 * The threads that compute: the calling one and workers over the same memory. Results have the same bits for any
 * number of them. Workers are started when first needed and begin to help once they are there; until then, and in a web
 * page that is not cross-origin isolated, the caller computes alone.
 */
export class Threads {
  readonly #workers: Thread[] = [];
  #count = 0;

  constructor(
    readonly module: WebAssembly.Module,
    readonly memory: WebAssembly.Memory,
    readonly allocateScratch: () => number,
  ) {
    this.set(requestedThreads() ?? Math.min(processors(), MOST_BY_DEFAULT));
  }

  /** How many threads take part, the calling one included. */
  get count(): number {
    return this.#count;
  }

  /** @throws {ConfigError} unless it is a whole number of at least 1 */
  set(count: number): void {
    if (!Number.isInteger(count) || count < 1)
      throw new ConfigError(`setThreads: a whole number of at least 1 is needed, not ${count}`);
    this.#count = canShareMemory() ? count : 1;
    while (this.#workers.length < this.#count - 1) this.#start();
    const words = new Int32Array(this.memory.buffer);
    Atomics.store(words, ACTIVE >> 2, this.#count);
    Atomics.add(words, WAKE >> 2, 1);
    Atomics.notify(words, WAKE >> 2);
  }

  #start(): void {
    const { module, memory } = this;
    const scratch = this.allocateScratch();
    const thread = this.#workers.length + 1;
    this.#workers.push(startThread({ module, memory, thread, scratch, failed: FAILED, done: DONE }));
  }
}
