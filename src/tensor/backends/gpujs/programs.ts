import type { GPU, IKernelRunShortcut, KernelVariable } from "gpu.js";
import type { Counters } from "./counters.ts";
import type { DeviceMemory, Handle } from "./device-memory.ts";
import { functionsIn, parametersOf } from "./functions.ts";

/** Compiled kernels that are kept; each `webasm` one holds a memory of its own. */
const KEPT = 400;

/** What gpu.js can be asked for. */
export interface ProgramOptions {
  readonly gpu: GPU;
  /** Whether every call answers with a promise. */
  readonly isAsynchronous: boolean;
  /** Whether every result is given memory of its own by gpu.js; with WebGPU it is chosen here. */
  readonly isImmutable: boolean;
  readonly memory: DeviceMemory;
  readonly counters: Counters;
}

/** Kernels of gpu.js, compiled when first called. Two calls share one when source, lengths and output are the same. */
export class Programs {
  readonly #compiled = new Map<string, Compiled>();
  #kept = KEPT;

  constructor(readonly options: ProgramOptions) {}

  /** How many compiled kernels are kept. */
  get size(): number {
    return this.#compiled.size;
  }

  /** @throws {Error} of gpu.js for what it cannot compile or run */
  call(program: Program, args: readonly Known[]): Handle | Promise<Handle> {
    const { source, count } = program;
    const types = args.map(typeOf);
    const key = `${count} ${args.map((argument, i) => `${lengthOf(argument)} ${types[i]}`).join()} ${source}`;
    const known = this.#compiled.get(key);
    if (known) {
      this.#compiled.delete(key);
      this.#compiled.set(key, known); // most recently used last
      if (!known.built) return this.#write(known, args);
      // What is still being built would be built twice, and write to one place.
      known.lastResult = known.built.then(() => this.#write(known, args));
      return known.lastResult;
    }
    const compiled: Compiled = { program, kernel: this.#compile(program, types), built: null, lastResult: null };
    const result = this.#build(compiled, args);
    this.#compiled.set(key, compiled);
    this.options.counters.compiles++;
    if (result instanceof Promise) {
      const built = result.then(() => {});
      compiled.built = built;
      built.then(
        () => {
          compiled.built = null;
        },
        () => {},
      );
    }
    this.#keep(this.#kept);
    const { fallbackReason } = compiled.kernel.kernel;
    if (!fallbackReason) return result;
    this.#compiled.delete(key);
    throw new Error(`gpu.js would compute elsewhere: ${fallbackReason}`);
  }

  /** Calls a kernel for the first time; gpu.js would keep one that cannot be built for ever. */
  #build(compiled: Compiled, args: readonly Known[]): Handle | Promise<Handle> {
    const { kernel } = compiled.kernel;
    try {
      return this.#withMemory(() => this.#write(compiled, args));
    } catch (error) {
      kernel.destroy();
      throw error;
    }
  }

  /** Calls a compiled kernel. */
  #write(compiled: Compiled, args: readonly Known[]): Handle | Promise<Handle> {
    const { kernel, program } = compiled;
    this.options.memory.prepare(kernel.kernel);
    const result = kernel(...(args as readonly KernelVariable[])) as unknown as Handle | Promise<Handle>;
    const adopt = (handle: Handle): Handle => {
      this.options.memory.adopt(kernel.kernel, handle, program.count);
      return handle;
    };
    if (!(result instanceof Promise)) return adopt(result);
    compiled.lastResult = result.then(adopt);
    return compiled.lastResult;
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

  #compile({ source, count, cellsOfThread }: Program, argumentTypes: readonly string[]): IKernelRunShortcut {
    const { gpu, memory, isImmutable, isAsynchronous } = this.options;
    const functions = functionsIn(source).map(([name, f]) => ({
      name,
      source: f.source,
      settings: { argumentTypes: Array<string>(parametersOf(f)).fill("Number"), returnType: "Number" },
    }));
    // gpu.js takes functions with types in this form, which its declarations lack.
    const settings = {
      output: [count / cellsOfThread],
      precision: "single",
      loopMaxIterations: 2 ** 24,
      pipeline: memory.isResident,
      immutable: isImmutable,
      asyncMode: isAsynchronous,
      argumentTypes,
      functions,
    };
    return gpu.createKernel(source, settings as unknown as Parameters<GPU["createKernel"]>[1]);
  }

  /** Forgets the compiled kernels that were used longest ago, down to that many. */
  #keep(count: number): void {
    for (const [oldest, { kernel, lastResult }] of this.#compiled) {
      if (this.#compiled.size <= count) return;
      this.#compiled.delete(oldest);
      const destroy = () => {
        this.options.memory.detach(kernel.kernel);
        kernel.destroy();
      };
      if (lastResult) lastResult.then(destroy, destroy);
      else destroy();
    }
  }
}

/** What is compiled: for `count` cells, so many by each thread. */
export interface Program {
  readonly source: string;
  readonly count: number;
  readonly cellsOfThread: number;
}

interface Compiled {
  readonly program: Program;
  readonly kernel: IKernelRunShortcut;
  /** Settled when it was built; null from then on. */
  built: Promise<void> | null;
  /** What it may still be computing. */
  lastResult: Promise<Handle> | null;
}

export type Known = Handle | number;

/** Cells of an argument; "n" for a number. */
export function lengthOf(argument: Known): number | "n" {
  if (typeof argument === "number") return "n";
  return argument instanceof Float32Array ? argument.length : argument.output[0]!;
}

function typeOf(argument: Known): string {
  if (typeof argument === "number") return "Float";
  return argument instanceof Float32Array ? "Array" : argument.type;
}
