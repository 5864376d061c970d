import type { GPU, IKernelRunShortcut, KernelVariable } from "gpu.js";
import { DeviceError, formatShape, ViltgradError } from "../../errors.ts";
import { functionsIn } from "./functions.ts";
import type { GpuMode } from "./modes.ts";
import { type Cells, isPending } from "./storage.ts";

/** What a kernel takes: the cells of an operand, or a number; whole numbers of 32 bits are marked. */
export type Argument = Cells | number | { readonly int32: number };

/** Compiled kernels that are kept; each `webasm` one holds a memory of its own. */
const KEPT = 400;
/** Cells that a kernel can address: positions are computed in float32, which is exact up to 2²⁴, except in `cpu` mode. */
const MOST_CELLS = 2 ** 24;

/** Compiles and runs kernels. Two calls share a compiled kernel when source, lengths and output are the same. */
export class Launcher {
  readonly #compiled = new Map<string, IKernelRunShortcut>();
  readonly device: string;
  readonly mostCells: number;

  constructor(
    readonly gpu: GPU,
    readonly mode: GpuMode,
    /** Whether every call answers with a promise. */
    readonly isAsynchronous: boolean,
  ) {
    this.device = `gpu:${mode}`;
    this.mostCells = mode === "cpu" ? 2 ** 31 - 1 : MOST_CELLS;
  }

  /** How many compiled kernels are kept. */
  get size(): number {
    return this.#compiled.size;
  }

  /**
   * The cells that `source` computes, `count` of them; pending while an argument is, or in an asynchronous mode.
   *
   * @param operation what to name in an error
   */
  launch(operation: string, source: string, args: readonly Argument[], count: number): Cells {
    if (count === 0) return new Float32Array(0);
    const isLate = args.some((argument) => argument instanceof Promise);
    if (isLate)
      return Promise.all(args.map(resolved)).then((known) => this.launch(operation, source, known, count) as Cells);
    const run = () => this.#call(operation, source, args as readonly Known[], count);
    if (!this.isAsynchronous) return this.#explained(operation, args, count, run) as Float32Array;
    return Promise.resolve()
      .then(run)
      .catch((cause: unknown) => this.#fail(operation, args, count, cause));
  }

  #call(operation: string, source: string, args: readonly Known[], count: number): Cells {
    const lengths = args.map((argument) => (argument instanceof Float32Array ? argument.length : "n"));
    const key = `${count} ${lengths.join()} ${source}`;
    let kernel = this.#compiled.get(key);
    const isNew = kernel === undefined;
    kernel ??= this.#compile(source, args, count);
    this.#compiled.delete(key);
    this.#compiled.set(key, kernel); // most recently used last
    const result = kernel(...args.map(asVariable)) as unknown as Cells;
    if (isNew) {
      this.#evict();
      const { fallbackReason } = kernel.kernel;
      if (fallbackReason) {
        this.#compiled.delete(key);
        throw new DeviceError(`${operation}: gpu.js would compute elsewhere: ${fallbackReason}`);
      }
    }
    return result;
  }

  #compile(source: string, args: readonly Known[], count: number): IKernelRunShortcut {
    const functions = functionsIn(source).map(([name, f]) => ({
      name,
      source: f.source,
      settings: { argumentTypes: [...f.argumentTypes], returnType: f.returnType },
    }));
    // gpu.js takes functions with types in this form, which its declarations lack.
    const settings = {
      output: [count],
      precision: "single",
      loopMaxIterations: 2 ** 24,
      immutable: true,
      asyncMode: this.isAsynchronous,
      argumentTypes: args.map(typeOf),
      functions,
    };
    return this.gpu.createKernel(source, settings as unknown as Parameters<GPU["createKernel"]>[1]);
  }

  #evict(): void {
    if (this.#compiled.size <= KEPT) return;
    const [oldest, kernel] = this.#compiled.entries().next().value!;
    this.#compiled.delete(oldest);
    kernel.destroy();
  }

  #explained<T>(operation: string, args: readonly Argument[], count: number, body: () => T): T {
    try {
      return body();
    } catch (cause) {
      return this.#fail(operation, args, count, cause);
    }
  }

  #fail(operation: string, args: readonly Argument[], count: number, cause: unknown): never {
    if (cause instanceof ViltgradError) throw cause;
    const sizes = args.flatMap((argument) => (argument instanceof Float32Array ? [argument.length] : []));
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new DeviceError(
      `${operation}: device ${this.device} could not compile or run its kernel for operands of ${formatShape(sizes)} cells and ${count} results: ${reason}`,
      { cause },
    );
  }
}

type Known = Exclude<Argument, Promise<Float32Array>>;

async function resolved(argument: Argument): Promise<Known> {
  return argument;
}

function typeOf(argument: Known): "Array" | "Number" | "Integer" {
  if (argument instanceof Float32Array) return "Array";
  return typeof argument === "number" ? "Number" : "Integer";
}

/** An array without cells cannot be handed over; no kernel reads what stands in for it. */
function asVariable(argument: Known): KernelVariable {
  if (typeof argument === "number") return argument;
  if (argument instanceof Float32Array) return argument.length === 0 ? EMPTY : argument;
  return argument.int32;
}
const EMPTY = new Float32Array(1);

/** Whether the cells are known. */
export function isKnown(cells: Cells): cells is Float32Array {
  return !isPending(cells);
}
