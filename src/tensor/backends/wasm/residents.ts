import type { Storage } from "../../backend.ts";
import { BYTES, type DType, type TypedArray } from "../../dtype.ts";
import { type Holding, largestHoldings } from "../../memory.ts";
import type { Shape } from "../../shape.ts";
import type { Allocator } from "./allocator.ts";

/** A block of the memory, or its copy on the heap: what is known of a storage without keeping the storage alive. */
export class Block implements Holding {
  operation = "";
  shape: Shape = [];
  site: string | null = null;
  isKept = false;
  isReleased = false;
  /** The cells, while they have been moved to the heap. */
  host: TypedArray | null = null;
  /** Whether the collector reports when the storage is gone. */
  isWatched = false;
  address = 0;
  /** Reading of the clock when it was last used. */
  usedAt = 0;
  /** How many jobs had been launched when one last was to write to it; 0 when the host did. */
  writtenBy = 0;
  readonly bytes: number;

  constructor(
    readonly dtype: DType,
    readonly size: number,
  ) {
    this.bytes = size * BYTES[dtype];
  }
}

/** Memory of this device. */
export class WasmStorage implements Storage {
  references = 1;

  constructor(
    readonly dtype: DType,
    readonly size: number,
    readonly holding: Block,
  ) {}

  get address(): number {
    return this.holding.address;
  }
}

/** What has memory here: an operand. */
interface Stored {
  readonly storage: Storage;
}

/** How the host gets at the cells of a block. */
export interface Windows {
  /** To read: waits for what is still to write there. */
  peek(block: Block): Float32Array | Int32Array;
  /** To write: no job uses it. */
  window(block: Block): Float32Array | Int32Array;
}

/** New storages are watched only if they outlive so many others, or so many bytes: most are given back at once. */
const YOUNG = { count: 256, bytes: 2 ** 25 };
/** How much may be in use before anything is moved to the heap, at first. */
const FIRST_LIMIT = { count: 2 ** 12, bytes: 2 ** 26 };

/**
 * The storages in the memory. Three things give a block back: a release; the collector, once nobody holds the storage
 * (its reports come between tasks, never inside a synchronous loop); and, where much has piled up, moving to the heap
 * what nobody kept and nothing has used since the time before. What is moved is still there and comes back when it is
 * used; what nobody holds any more can then be collected at any time, inside of a synchronous loop too.
 *
 * The limit rises with everything that has to come back, so that a program that truly needs its memory stops moving.
 */
export class Residents {
  #young: WasmStorage[] = [];
  #youngBytes = 0;
  readonly #old = new Set<Block>();
  /** Increases with every allocation and every kernel; what an operation is using has the latest reading. */
  #clock = 0;
  #lastSweep = 0;
  #limit = { ...FIRST_LIMIT };
  #moved = 0;
  readonly #collected = new FinalizationRegistry<Block>((block) => {
    block.isWatched = false;
    this.#giveBack(block);
  });

  constructor(
    readonly allocator: Allocator,
    readonly memory: Windows,
  ) {}

  /** A storage for results. @throws {DeviceError} when there is no room even after moving what can be moved */
  allocate(dtype: DType, size: number): WasmStorage {
    const block = new Block(dtype, size);
    this.#makeRoom(block);
    return this.#place(block, new WasmStorage(dtype, size, block), "job");
  }

  /** A storage with these values. @throws {DeviceError} when there is no room even after moving what can be moved */
  upload(values: TypedArray, dtype: DType): WasmStorage {
    const block = new Block(dtype, values.length);
    this.#makeRoom(block);
    const storage = this.#place(block, new WasmStorage(dtype, values.length, block), "host");
    fill(this.memory.window(block), values);
    return storage;
  }

  /** Moves to the heap what can be, if with this block too much would be in use. */
  #makeRoom({ bytes }: Block): void {
    this.#clock++;
    const isCrowded = this.allocator.used + bytes > this.#limit.bytes || this.#old.size > this.#limit.count;
    if (isCrowded && bytes <= this.allocator.maximumBytes) {
      this.#sweep(this.#lastSweep);
      const left = this.allocator.used + bytes;
      if (left > 0.75 * this.#limit.bytes) this.#limit.bytes = 2 * left;
      if (this.#old.size > 0.75 * this.#limit.count) this.#limit.count = 2 * this.#old.size;
    }
  }

  release({ holding }: WasmStorage): void {
    this.#giveBack(holding);
  }

  /** Sees to it that the operands of a kernel are in the memory, and stay there until the next one. */
  use(inputs: readonly Stored[], out: Stored): void {
    this.#clock++;
    for (const { storage } of inputs) (storage as WasmStorage).holding.usedAt = this.#clock;
    (out.storage as WasmStorage).holding.usedAt = this.#clock;
    for (const { storage } of inputs) this.#bringBack(storage as WasmStorage);
    this.#bringBack(out.storage as WasmStorage);
  }

  /** A copy in ordinary memory: shared memory does not leave the device. */
  read({ holding }: WasmStorage): TypedArray {
    return (holding.host ?? this.memory.peek(holding)).slice();
  }

  /** Bytes moved to the heap so far. */
  get moved(): number {
    return this.#moved;
  }

  /** What is in the memory. */
  *holdings(): Generator<Block> {
    for (const { holding } of this.#young) if (!holding.isReleased && !holding.host) yield holding;
    yield* this.#old;
  }

  /** For the error when memory runs out. */
  explain(): string {
    const largest = largestHoldings(this.holdings());
    return `most is held by ${largest || "the working space of kernels"}; wrap the step in scope() or noGrad(), or take a smaller batch; memory() lists everything`;
  }

  #place(block: Block, storage: WasmStorage, writer: "job" | "host"): WasmStorage {
    const { bytes } = block;
    const find = writer === "job" ? "allocate" : "allocateRested";
    try {
      block.address = this.allocator[find](bytes);
    } catch (error) {
      if (bytes > this.allocator.maximumBytes || this.#sweep(this.#clock) === 0) throw error;
      block.address = this.allocator[find](bytes);
    }
    block.usedAt = this.#clock;
    this.#young.push(storage);
    this.#youngBytes += bytes;
    if (this.#young.length >= YOUNG.count || this.#youngBytes >= YOUNG.bytes) this.#watchYoung();
    return storage;
  }

  #bringBack(storage: WasmStorage): void {
    const block = storage.holding;
    const { host, bytes } = block;
    if (!host) return;
    this.#place(block, storage, "host");
    block.host = null;
    block.writtenBy = 0;
    fill(this.memory.window(block), host);
    this.#limit.bytes += 2 * bytes;
    this.#limit.count += 2;
  }

  /** From now on the collector says when they are gone. */
  #watchYoung(): void {
    for (const storage of this.#young) {
      const { holding } = storage;
      if (holding.isReleased || holding.isWatched) continue;
      holding.isWatched = true;
      this.#old.add(holding);
      this.#collected.register(storage, holding, holding);
    }
    this.#young = [];
    this.#youngBytes = 0;
  }

  #giveBack(block: Block): void {
    if (block.isReleased) return;
    block.isReleased = true;
    this.#stopWatching(block);
    if (!block.host) this.allocator.release(block.address, block.bytes);
    block.host = null;
  }

  #stopWatching(block: Block): void {
    this.#old.delete(block);
    if (block.isWatched) this.#collected.unregister(block);
    block.isWatched = false;
  }

  /** Moves to the heap what was not kept and not used since `time`. @returns bytes that became free */
  #sweep(time: number): number {
    this.#watchYoung();
    let freed = 0;
    for (const block of this.#old) {
      if (block.isKept || block.usedAt >= time) continue;
      this.#stopWatching(block);
      block.host = this.memory.peek(block).slice();
      this.allocator.release(block.address, block.bytes);
      freed += block.bytes;
    }
    this.#moved += freed;
    this.#lastSweep = this.#clock;
    return freed;
  }
}

/** From so many cells on it pays to look at them as pairs. */
const MANY_CELLS = 4096;

/** Copies all cells, by pairs where it can: engines write to shared memory element by element, and few large ones faster. */
function fill(cells: Float32Array | Int32Array, values: TypedArray): void {
  const isPaired = cells.length % 2 === 0 && values.byteOffset % 8 === 0 && values.constructor === cells.constructor;
  if (cells.length >= MANY_CELLS && isPaired) pairs(cells).set(pairs(values));
  else cells.set(values);
}

function pairs({ buffer, byteOffset, length }: TypedArray): BigInt64Array {
  return new BigInt64Array(buffer, byteOffset, length / 2);
}
