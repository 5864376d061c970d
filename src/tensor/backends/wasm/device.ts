import type { Operand } from "../../backend.ts";
import { BYTES, type DType } from "../../dtype.ts";
import { DeviceError } from "../../errors.ts";
import { Allocator } from "./allocator.ts";
import type { Kernel } from "./assembly/kernel.ts";
import { fusedBinary, plainBinary } from "./binary.generated.ts";
import type { Blas } from "./blas.ts";
import { allowRelaxedSimd, canWait, joinVectors } from "./platform.ts";
import { Residents, type WasmStorage } from "./residents.ts";
import { Threads } from "./threads.ts";

/** What the modules export; see `assembly/index.ts`. */
interface Kernels {
  alone(kernel: Kernel, tiles: number): void;
  together(kernel: Kernel, tiles: number, canWait: boolean): number;
}

/** The arguments of a job: `ARGUMENTS` in `assembly/job.ts`. */
const ARGUMENTS = 2048;
const ARGUMENT_COUNT = 512;
/** Where the columns of a register tile stand: `COLUMNS` in `assembly/register-tile.ts`. */
const TILE_COLUMNS = 1920;
/** What lies below belongs to the jobs and to the modules' own data. */
const HEAP = 65536;
/** A job that takes about this many nanoseconds on one thread is worth waking others for. */
const PARALLEL_NANOSECONDS = 15_000;
/** The ticket has 24 bits for tiles. */
const MAXIMUM_TILES = 2 ** 24 - 1;

/** One memory, one instance of the kernels on this thread, and the threads that help it. */
export class WasmDevice {
  readonly memory: WebAssembly.Memory;
  readonly allocator: Allocator;
  readonly residents: Residents;
  readonly threads: Threads;
  /** Takes over large matrix products, where somebody asked for it. */
  blas: Blas | null = null;
  /** The arguments of the next job. */
  readonly ints: Int32Array;
  /** The same memory, for arguments that are fractions. */
  readonly floats: Float32Array;
  /** Whether products and sums are rounded once. */
  readonly fused: boolean;
  readonly #kernels: Kernels;
  readonly #canWait: boolean;
  #floatView: Float32Array;
  #intView: Int32Array;

  constructor() {
    const { memory, maximumPages } = createMemory();
    const { module, fused, joined } = compile();
    this.memory = memory;
    this.fused = fused;
    this.allocator = new Allocator(memory, HEAP, maximumPages, () => this.residents.explain());
    this.residents = new Residents(this.allocator, (block) => this.view(block));
    this.#kernels = new WebAssembly.Instance(module, { env: { memory } }).exports as unknown as Kernels;
    this.ints = new Int32Array(memory.buffer, ARGUMENTS, ARGUMENT_COUNT);
    this.floats = new Float32Array(memory.buffer, ARGUMENTS, ARGUMENT_COUNT);
    this.#floatView = new Float32Array(memory.buffer);
    this.#intView = new Int32Array(memory.buffer);
    this.#canWait = canWait(memory);
    this.tileColumns = joined ? 16 : 8;
    this.threads = new Threads(module, memory, this.allocator);
  }

  /** Columns of a register tile of matrix products: 16 where vectors have 256 bits, else 8. No result depends on it. */
  get tileColumns(): 8 | 16 {
    return new Int32Array(this.memory.buffer)[TILE_COLUMNS >> 2] as 8 | 16;
  }

  set tileColumns(columns: 8 | 16) {
    new Int32Array(this.memory.buffer)[TILE_COLUMNS >> 2] = columns;
  }

  /**
   * Runs the job whose arguments stand in `ints` and `floats`.
   *
   * @param nanoseconds about how long one thread takes: small jobs wake nobody
   * @throws {DeviceError} when a thread died or does not answer
   */
  run(kernel: Kernel, tiles: number, nanoseconds: number): void {
    if (tiles < 2 || nanoseconds < PARALLEL_NANOSECONDS || this.threads.count < 2 || tiles > MAXIMUM_TILES) {
      this.#kernels.alone(kernel, tiles);
      return;
    }
    const status = this.#kernels.together(kernel, tiles, this.#canWait);
    if (status !== 0)
      throw new DeviceError(
        `wasm: a thread ${status === 1 ? "died" : "does not answer"}; setThreads(1) computes without it`,
      );
  }

  /** The cells of a storage, without copying; valid until the next allocation. */
  view({ dtype, size, address }: { dtype: DType; size: number; address: number }): Float32Array | Int32Array {
    if (this.#floatView.buffer !== this.memory.buffer) {
      this.#floatView = new Float32Array(this.memory.buffer);
      this.#intView = new Int32Array(this.memory.buffer);
    }
    const view = dtype === "int32" ? this.#intView : this.#floatView;
    const start = address / BYTES[dtype];
    return view.subarray(start, start + size);
  }

  /** Calls `body` with the address of a block that is given back afterwards. */
  withBlock(bytes: number, body: (address: number) => void): void {
    const address = this.allocator.allocate(bytes);
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
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}
