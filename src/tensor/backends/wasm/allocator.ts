import { DeviceError } from "../../errors.ts";

/** Blocks begin at multiples of this: a cache line, so that no two threads write to one. */
const UNIT = 64;
const PAGE = 65536;
/** Memory grows by at least 16 MiB. */
const GROWTH_PAGES = 256;
/** Vectors, panels and the bias of a register tile may be read across the end of the last block. */
const SLACK = 64;

/** How far the jobs have come that use the memory. */
export interface Progress {
  readonly launched: number;
  readonly done: number;
  /** Waits for all of them. */
  settle(): void;
}

/** Free blocks of one class, those given back last at the end, and how many jobs had been launched then. */
interface FreeBlocks {
  readonly addresses: number[];
  readonly launched: number[];
}

/**
 * Blocks of one WebAssembly memory. Sizes are rounded up to classes, four to a doubling (at most a fifth is lost), and
 * a freed block waits in the list of its class: both ways take constant time. Blocks are never joined or moved.
 */
export class Allocator {
  #next: number;
  #used = 0;
  readonly #free: FreeBlocks[] = [];

  /** @param start the first byte that may be given away */
  constructor(
    readonly memory: WebAssembly.Memory,
    start: number,
    readonly maximumPages: number,
    readonly jobs: Progress,
    /** What the error says when memory runs out, beside the numbers. */
    readonly explain: () => string,
  ) {
    this.#next = start;
  }

  get maximumBytes(): number {
    return this.maximumPages * PAGE;
  }

  /** Bytes in blocks that are in use. */
  get used(): number {
    return this.#used;
  }

  /** The same, and bytes of the memory altogether. */
  get statistics(): { used: number; reserved: number } {
    return { used: this.#used, reserved: this.memory.buffer.byteLength };
  }

  /**
   * Address of an uninitialised block that a job will write to: earlier ones may still be using it.
   *
   * @throws {DeviceError} when the memory cannot grow that far
   */
  allocate(bytes: number): number {
    const units = classUnits(bytes);
    const free = this.#freeOf(units);
    free.launched.pop();
    return this.#take(units, free.addresses.pop());
  }

  /** Address of an uninitialised block that no job uses. @throws {DeviceError} when the memory cannot grow that far */
  allocateRested(bytes: number): number {
    const units = classUnits(bytes);
    const { addresses, launched } = this.#freeOf(units);
    if (launched.length > 0 && launched[0]! > this.jobs.done && this.#missing(units * UNIT) > 0) this.jobs.settle();
    if (launched.length === 0 || launched[0]! > this.jobs.done) return this.#take(units, undefined);
    launched.shift();
    return this.#take(units, addresses.shift());
  }

  /** @param bytes as when it was allocated */
  release(address: number, bytes: number): void {
    const units = classUnits(bytes);
    const { addresses, launched } = this.#freeOf(units);
    addresses.push(address);
    launched.push(this.jobs.launched);
    this.#used -= units * UNIT;
  }

  #freeOf(units: number): FreeBlocks {
    const index = classIndex(units);
    this.#free[index] ??= { addresses: [], launched: [] };
    return this.#free[index];
  }

  #take(units: number, free: number | undefined): number {
    const size = units * UNIT;
    const address = free ?? this.#carve(size);
    this.#used += size;
    return address;
  }

  /** By how many bytes the memory is too small for one more block. */
  #missing(size: number): number {
    return this.#next + size + SLACK - this.memory.buffer.byteLength;
  }

  #carve(size: number): number {
    const address = this.#next;
    const missing = this.#missing(size);
    if (missing > 0) this.#grow(missing, size);
    this.#next = address + size;
    return address;
  }

  #grow(bytes: number, asked: number): void {
    const least = Math.ceil(bytes / PAGE);
    const room = this.maximumPages - this.memory.buffer.byteLength / PAGE;
    try {
      this.memory.grow(Math.max(least, Math.min(GROWTH_PAGES, room)));
    } catch (cause) {
      const { used, reserved } = this.statistics;
      throw new DeviceError(
        `allocate: device wasm has no memory for ${asked} more bytes; ${used} bytes are in use, ${reserved} reserved of at most ${this.maximumBytes}; ${this.explain()}`,
        { cause },
      );
    }
  }
}

/** Units of the smallest class that holds `bytes`: 1, 2, 3, 4, then 5/4, 6/4, 7/4 and 8/4 of each power of two. */
function classUnits(bytes: number): number {
  const units = Math.max(1, Math.ceil(bytes / UNIT));
  if (units <= 4) return units;
  const step = 2 ** (29 - Math.clz32(units - 1));
  return Math.ceil(units / step) * step;
}

function classIndex(units: number): number {
  if (units <= 4) return units;
  const exponent = 29 - Math.clz32(units - 1);
  return 4 * exponent + units / 2 ** exponent;
}
