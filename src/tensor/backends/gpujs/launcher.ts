import type { GPU, IKernelRunShortcut, KernelVariable } from "gpu.js";
import { callSite } from "../../call-site.ts";
import { DeviceError, formatShape, ViltgradError } from "../../errors.ts";
import { functionsIn } from "./functions.ts";
import type { GpuMode } from "./modes.ts";
import type { Cells } from "./storage.ts";

/** What a kernel takes: the cells of an operand, or a number; whole numbers of 32 bits are marked. */
export type Argument = Cells | number | { readonly int32: number };

/** Compiled kernels that are kept; each `webasm` one holds a memory of its own. */
const KEPT = 400;
/** Cells that a kernel can address: positions are computed in float32, which is exact up to 2²⁴, except in `cpu` mode. */
const MOST_CELLS = 2 ** 24;

/** Compiles and runs kernels. Two calls share a compiled kernel when source, lengths and output are the same. */
export class Launcher {
  readonly #compiled = new Map<string, Compiled>();
  readonly mostCells: number;
  #kept = KEPT;

  constructor(
    readonly gpu: GPU,
    readonly mode: GpuMode,
    /** Whether every call answers with a promise. */
    readonly isAsynchronous: boolean,
    /** The name of the device. */
    readonly device = `gpu:${mode}`,
  ) {
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
    // A failure that comes later has another stack: it keeps the place of this call.
    const site = isLate || this.isAsynchronous ? callSite() : null;
    if (isLate)
      return Promise.all(args.map(resolved)).then((known) => this.#launchNow(operation, source, known, count, site));
    return this.#launchNow(operation, source, args as readonly Known[], count, site);
  }

  #launchNow(operation: string, source: string, args: readonly Known[], count: number, site: string | null): Cells {
    const run = () => this.#call(operation, source, args, count);
    const fail = (cause: unknown) => this.#fail(operation, args, count, cause, site);
    if (this.isAsynchronous) return Promise.resolve().then(run).catch(fail);
    try {
      return run();
    } catch (cause) {
      return fail(cause);
    }
  }

  #call(operation: string, source: string, args: readonly Known[], count: number): Cells {
    const lengths = args.map((argument) => (argument instanceof Float32Array ? argument.length : "n"));
    const key = `${count} ${lengths.join()} ${source}`;
    const known = this.#compiled.get(key);
    const kernel = known?.kernel ?? this.#compile(source, args, count);
    this.#compiled.delete(key);
    const result = this.#withMemory(() => kernel(...args.map(asVariable)) as unknown as Cells);
    this.#compiled.set(key, { kernel, result: this.isAsynchronous ? result : null }); // most recently used last
    if (known) return result;
    this.#keep(this.#kept);
    const { fallbackReason } = kernel.kernel;
    if (!fallbackReason) return result;
    this.#compiled.delete(key);
    throw new DeviceError(`${operation}: gpu.js would compute elsewhere: ${fallbackReason}`);
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

  /** Forgets the compiled kernels that were used longest ago, down to that many. */
  #keep(count: number): void {
    for (const [oldest, { kernel, result }] of this.#compiled) {
      if (this.#compiled.size <= count) return;
      this.#compiled.delete(oldest);
      const destroy = () => kernel.destroy();
      if (result instanceof Promise) result.then(destroy, destroy);
      else destroy();
    }
  }

  #fail(operation: string, args: readonly Known[], count: number, cause: unknown, site: string | null): never {
    if (cause instanceof ViltgradError) throw cause;
    const sizes = args.flatMap((argument) => (argument instanceof Float32Array ? [argument.length] : []));
    const reason = (cause instanceof Error ? cause.message : String(cause)).replace(/\s+/g, " "); // gpu.js adds lines
    throw new DeviceError(
      `${operation}: device ${this.device} could not compile or run its kernel for operands of ${formatShape(sizes)} cells and ${count} results${site ? `, called at ${site}` : ""}: ${reason}`,
      { cause },
    );
  }
}

interface Compiled {
  readonly kernel: IKernelRunShortcut;
  /** What the kernel may still be computing. */
  readonly result: Cells | null;
}

type Known = Exclude<Argument, Promise<Float32Array>>;

async function resolved(argument: Argument): Promise<Known> {
  return argument;
}

function typeOf(argument: Known): "Array" | "Float" | "Integer" {
  if (argument instanceof Float32Array) return "Array";
  return typeof argument === "number" ? "Float" : "Integer";
}

/** An array without cells cannot be handed over; no kernel reads what stands in for it. */
function asVariable(argument: Known): KernelVariable {
  if (typeof argument === "number") return argument;
  if (argument instanceof Float32Array) return argument.length === 0 ? EMPTY : argument;
  return argument.int32;
}
const EMPTY = new Float32Array(1);
