import type { Operand } from "../../backend.ts";
import { BYTES, type DType } from "../../dtype.ts";
import { DeviceError } from "../../errors.ts";
import { Allocator } from "./allocator.ts";
import type { Kernel } from "./assembly/kernel.ts";
import { fusedBinary, plainBinary } from "./binary.generated.ts";
import type { Blas } from "./blas.ts";
import { Jobs } from "./jobs.ts";
import { allowRelaxedSimd, joinVectors, upperHalvesCleaner } from "./platform.ts";
import { Residents, type WasmStorage } from "./residents.ts";
import { Threads } from "./threads.ts";

/** Where arguments of a job are left: `STAGE` in `assembly/pool.ts`. */
const ARGUMENTS = 4096;
const ARGUMENT_COUNT = 512;
/** Where the columns of a register tile stand: `COLUMNS` in `assembly/register-tile.ts`. */
const TILE_COLUMNS = 1920;
/** A job that takes about this many nanoseconds on one thread is worth starting and waking others for. */
const PARALLEL_NANOSECONDS = 15_000;
/** What lies below belongs to the jobs and to the modules' own data. */
const HEAP = 344064;

/** Cells in the memory. */
export interface Cells {
  readonly dtype: DType;
  readonly size: number;
  readonly address: number;
}

/** One memory, one instance of the kernels on this thread, and the threads that help it. */
export class WasmDevice {
  readonly memory: WebAssembly.Memory;
  readonly jobs: Jobs;
  readonly allocator: Allocator;
  readonly residents: Residents;
  readonly threads: Threads;
  /** Where the description of the BLAS library stands that computes large products; 0 where nobody asked for one. */
  library = 0;
  readonly #libraries = new Map<string, { readonly blas: Blas; readonly address: number }>();
  /** The arguments of the next job. */
  readonly ints: Int32Array;
  /** The same memory, for arguments that are fractions. */
  readonly floats: Float32Array;
  /** Whether products and sums are rounded once. */
  readonly fused: boolean;
  #floatView: Float32Array;
  #intView: Int32Array;

  constructor() {
    const { memory, maximumPages } = createMemory();
    const { module, fused, joined } = compile();
    this.memory = memory;
    this.fused = fused;
    this.jobs = new Jobs(module, memory, joined ? upperHalvesCleaner() : () => {});
    this.allocator = new Allocator(memory, HEAP, maximumPages, this.jobs, () => this.residents.explain());
    this.residents = new Residents(this.allocator, this);
    this.ints = new Int32Array(memory.buffer, ARGUMENTS, ARGUMENT_COUNT);
    this.floats = new Float32Array(memory.buffer, ARGUMENTS, ARGUMENT_COUNT);
    this.#floatView = new Float32Array(memory.buffer);
    this.#intView = new Int32Array(memory.buffer);
    this.tileColumns = joined ? 16 : 8;
    this.threads = new Threads(module, memory, this.allocator, this.jobs);
  }

  /** Columns of a register tile of matrix products: 16 where vectors have 256 bits, else 8. No result depends on it. */
  get tileColumns(): 8 | 16 {
    return new Int32Array(this.memory.buffer)[TILE_COLUMNS >> 2] as 8 | 16;
  }

  set tileColumns(columns: 8 | 16) {
    new Int32Array(this.memory.buffer)[TILE_COLUMNS >> 2] = columns;
  }

  /**
   * Runs the job whose arguments stand in `ints` and `floats`: now, or when those before it are done.
   *
   * @param nanoseconds about how long one thread takes: small jobs wake nobody
   * @throws {DeviceError} when a thread died or does not answer
   */
  run(kernel: Kernel, tiles: number, nanoseconds: number): void {
    const isShared = tiles > 1 && nanoseconds >= PARALLEL_NANOSECONDS;
    if (isShared) this.threads.start();
    this.jobs.run(kernel, tiles, isShared, this.threads.started);
  }

  /** The cells of a block, to read and to write, when all jobs are done; valid until the next allocation. */
  view(cells: Cells): Float32Array | Int32Array {
    this.jobs.settle();
    return this.window(cells);
  }

  /** The cells of a block, to read: waits only for what is still to write there. */
  peek(block: Cells & { readonly writtenBy: number }): Float32Array | Int32Array {
    this.jobs.settle(block.writtenBy);
    return this.window(block);
  }

  /** The cells of a block that no job uses, or of an empty one; valid until the next allocation. */
  window({ dtype, size, address }: Cells): Float32Array | Int32Array {
    if (this.#floatView.buffer !== this.memory.buffer) {
      this.#floatView = new Float32Array(this.memory.buffer);
      this.#intView = new Int32Array(this.memory.buffer);
    }
    const view = dtype === "int32" ? this.#intView : this.#floatView;
    const start = address / BYTES[dtype];
    return view.subarray(start, start + size);
  }

  /** Lets a BLAS library compute large products from now on, or none. */
  useLibrary(blas: Blas | null): void {
    this.library = blas ? (this.#libraries.get(blas.path)?.address ?? this.#describe(blas)) : 0;
  }

  /** Its description, for all threads; it stays, since jobs that wait may name it. */
  #describe(blas: Blas): number {
    const { path, description } = blas;
    const address = this.allocator.allocateRested(4 + description.length);
    new Int32Array(this.memory.buffer, address, 1)[0] = description.length;
    new Uint8Array(this.memory.buffer, address + 4, description.length).set(description);
    this.#libraries.set(path, { blas, address });
    return address;
  }

  /** Calls `body` with the address of a block for jobs, which is given back afterwards. */
  withBlock(bytes: number, body: (address: number) => void): void {
    this.#lend(this.allocator.allocate(bytes), bytes, body);
  }

  /** The same with a block that holds these numbers. */
  withTable(numbers: readonly number[], body: (address: number) => void): void {
    const bytes = 4 * numbers.length;
    const address = this.allocator.allocateRested(bytes);
    this.window({ dtype: "int32", size: numbers.length, address }).set(numbers);
    this.#lend(address, bytes, body);
  }

  #lend(address: number, bytes: number, body: (address: number) => void): void {
    try {
      body(address);
    } finally {
      this.allocator.release(address, bytes);
    }
  }
}

/** Where an operand's cells begin. */
export function addressOf(operand: Operand): number {
  return (operand.storage as WasmStorage).address;
}

/**
 * Memory that threads can share. It exists in every engine with WebAssembly threads, in pages without cross-origin
 * isolation too: there it merely cannot be sent to a worker. 4 GiB are reserved where that is possible, not used.
 */
function createMemory(): { memory: WebAssembly.Memory; maximumPages: number } {
  for (const maximum of [65536, 32768, 16384, 4096]) {
    try {
      return { memory: new WebAssembly.Memory({ initial: 256, maximum, shared: true }), maximumPages: maximum };
    } catch (error) {
      if (!(error instanceof RangeError)) throw new DeviceError("wasm: no shared memory here", { cause: error });
    }
  }
  throw new DeviceError("wasm: no 256 MiB of shared memory to reserve");
}

/** The module with fused multiply-add where it exists, else the other. `joined`: whether vectors become twice as wide. */
function compile(): { module: WebAssembly.Module; fused: boolean; joined: boolean } {
  allowRelaxedSimd();
  const joined = joinVectors();
  const bytes = decode(fusedBinary);
  const fused = WebAssembly.validate(bytes);
  return { module: new WebAssembly.Module(fused ? bytes : decode(plainBinary)), fused, joined: fused && joined };
}

function decode(base64: string): Uint8Array<ArrayBuffer> {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let at = 0; at < bytes.length; at++) bytes[at] = text.charCodeAt(at); // a callback takes 4 to 8 ms at start-up
  return bytes;
}
