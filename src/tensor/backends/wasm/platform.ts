// What differs between Node, Deno and browsers, found out at run time.

import { nativeProducts } from "./native-product.ts";

/** A thread that was started; it ends with the program. */
export interface Thread {
  stop(): void;
}

/** What a new thread is given: all of it can be cloned or shared. */
export interface ThreadData {
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
  readonly thread: number;
  /** Where to write 1 when the thread dies. */
  readonly failed: number;
  /** What the calling thread waits for, to be woken then. */
  readonly pending: number;
}

const isNode = typeof process !== "undefined" && typeof process.versions?.node === "string";

type Load = (name: string) => unknown;

/** Loads a built-in module at once and unseen by bundlers; Node before 20.16 needs `createRequire` for that. */
async function builtinLoader(): Promise<Load> {
  if (typeof process.getBuiltinModule === "function") return (name) => process.getBuiltinModule(name);
  const name = "node:module";
  const { createRequire } = (await import(/* @vite-ignore */ name)) as typeof import("node:module");
  return createRequire(import.meta.url);
}

const load: Load | null = isNode ? await builtinLoader() : null;

/** Allows relaxed SIMD in Node 20, which knows it but hides it; must come before the first compilation. */
export function allowRelaxedSimd(): void {
  if (!load || Number.parseInt(process.versions.node, 10) >= 22) return;
  const { setFlagsFromString } = load("node:v8") as typeof import("node:v8");
  setFlagsFromString("--experimental-wasm-relaxed-simd");
}

/** The first Node whose compiler for WebAssembly joins neighbouring vectors. */
const FIRST_JOINING_NODE = 24;

/**
 * Lets the compiler join neighbouring vectors of 128 bits into ones of 256, where it knows how to and the processor has
 * them; must come before the first compilation. It changes no result. `VILTGRAD_VECTORS=128` leaves it off.
 *
 * @returns whether it does
 */
export function joinVectors(): boolean {
  if (!load || process.arch !== "x64" || process.env.VILTGRAD_VECTORS === "128") return false;
  const knows = "v8_enable_wasm_simd256_revec" in (process.config?.variables ?? {}); // not in Deno
  if (!knows || Number.parseInt(process.versions.node, 10) < FIRST_JOINING_NODE || !hasAvx2()) return false;
  const { setFlagsFromString } = load("node:v8") as typeof import("node:v8");
  setFlagsFromString("--experimental-wasm-revectorize");
  return true;
}

/**
 * What to call after kernels with joined vectors have run on this thread. Node leaves the upper halves of the registers as
 * they are, and some processors take 100 ns for each change between such code and the older instructions that much of Node
 * consists of: JavaScript between kernels then takes three times as long. Node's check for ASCII clears them at its end.
 */
export function upperHalvesCleaner(): () => void {
  const { isAscii } = load!("node:buffer") as typeof import("node:buffer");
  const text = new Uint8Array(64);
  return () => void isAscii(text);
}

/** Where the system does not tell: every Mac has it that runs such a Node, and nearly every other computer. */
function hasAvx2(): boolean {
  return process.platform !== "linux" || processorFeatures().has("avx2");
}

/** What the processor can do, as Linux names it; empty where nothing tells. */
export function processorFeatures(): ReadonlySet<string> {
  if (!load || process.platform !== "linux") return new Set();
  const { readFileSync } = load("node:fs") as typeof import("node:fs");
  try {
    return new Set(/^flags\s*:(.*)$/m.exec(readFileSync("/proc/cpuinfo", "utf8"))?.[1]?.trim().split(" "));
  } catch {
    return new Set(); // it may not be read here
  }
}

/** Processors that this program may use. */
export function processors(): number {
  if (!load) return navigator.hardwareConcurrency ?? 1;
  return (load("node:os") as typeof import("node:os")).availableParallelism();
}

/** A package that need not be installed, by its name or path, or null. Browsers have none. */
export function loadPackage(name: string): unknown {
  return tried(() => requireHere()?.(name));
}

/** Where its code lies, or null. */
export function resolvePackage(name: string): string | null {
  return tried(() => requireHere()?.resolve(name)) as string | null;
}

function requireHere(): NodeJS.Require | undefined {
  return (load?.("node:module") as typeof import("node:module") | undefined)?.createRequire(import.meta.url);
}

function tried(find: () => unknown): unknown {
  try {
    return find() ?? null;
  } catch {
    return null;
  }
}

/** The BLAS library that the environment asks for, if it does. */
export function requestedBlas(): string | null {
  return (isNode && process.env.VILTGRAD_BLAS) || null;
}

/** The number of threads that the environment asks for, if it does. */
export function requestedThreads(): number | null {
  const text = isNode ? process.env.VILTGRAD_THREADS : undefined;
  const threads = Number(text);
  return text && Number.isInteger(threads) && threads > 0 ? threads : null;
}

/** Whether memory can be handed to other threads: a web page has to be cross-origin isolated for that. */
export function canShareMemory(): boolean {
  return isNode || (typeof Worker !== "undefined" && globalThis.crossOriginIsolated === true);
}

/** Whether this thread may sleep; the main thread of a web page may not. */
export function canWait(memory: WebAssembly.Memory): boolean {
  try {
    Atomics.wait(new Int32Array(memory.buffer, 0, 1), 0, 0, 0);
    return true;
  } catch {
    return false;
  }
}

/** The whole program of a thread, as text, so that no file has to be found. */
const program = `
function start({ module, memory, thread, failed, pending }) {
  try {
    const sgemm = (${nativeProducts})(memory, typeof require === "undefined" ? null : require);
    const { exports } = new WebAssembly.Instance(module, { env: { memory, sgemm } });
    exports.serve(thread);
  } catch (error) {
    const words = new Int32Array(memory.buffer);
    Atomics.store(words, failed >> 2, 1);
    Atomics.notify(words, pending >> 2);
    throw error;
  }
}`;

/** Starts a thread that serves the pool; it does not keep the program alive. */
export function startThread(data: ThreadData): Thread {
  if (!load) return startWebWorker(data);
  const { Worker } = load("node:worker_threads") as typeof import("node:worker_threads");
  const source = `${program}\nstart(require("node:worker_threads").workerData);`;
  const worker = new Worker(source, { eval: true, workerData: data, name: "viltgrad", stdout: false, stderr: false });
  worker.on("error", () => reportFailure(data));
  worker.unref();
  return { stop: () => void worker.terminate() };
}

function startWebWorker(data: ThreadData): Thread {
  const source = new Blob([`${program}\nonmessage = ({ data }) => start(data);`], { type: "text/javascript" });
  const url = URL.createObjectURL(source);
  const worker = new Worker(url);
  URL.revokeObjectURL(url);
  worker.onerror = () => reportFailure(data);
  worker.postMessage(data);
  return { stop: () => worker.terminate() };
}

function reportFailure({ memory, failed }: ThreadData): void {
  Atomics.store(new Int32Array(memory.buffer), failed >> 2, 1);
}
