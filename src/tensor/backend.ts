import type { DType, TypedArray } from "./dtype.ts";
import { DeviceError, DTypeError } from "./errors.ts";
import type { Attributes, KernelName } from "./kernels.ts";
import type { DeviceMemory, Holding } from "./memory.ts";

/** Memory of one device, shared by the tensors that alias it; the last one to let go gives it back. */
export interface Storage {
  readonly dtype: DType;
  readonly size: number;
  references: number;
  /** What `memory()` tells of it; null for what takes no memory. */
  holding?: Holding | null;
}

/** What a kernel gets to see of an operand. */
export interface Operand {
  readonly shape: readonly number[];
  readonly dtype: DType;
  readonly storage: Storage;
}

/** A device: kernels over flat row-major memory, and ways in and out of it. */
export interface Backend {
  readonly name: string;
  readonly dtypes: readonly DType[];
  /** Whether what is computed can only be awaited: `readSync` throws. */
  readonly answersLater?: boolean;
  /** Uninitialised memory. @throws {DeviceError} when there is none left */
  allocate(dtype: DType, size: number): Storage;
  /** Copies values in. */
  upload(values: TypedArray, dtype: DType): Storage;
  /** Copies values out; waits for what is still being computed. */
  read(storage: Storage): Promise<TypedArray>;
  /** The same without waiting. @throws {DeviceError} on a device that cannot */
  readSync(storage: Storage): TypedArray;
  release(storage: Storage): void;
  /** Totals, and what is alive, of a device whose memory is not the engine's heap. */
  memory?(): DeviceMemory & { readonly holdings: Iterable<Holding> };
  /** Whether the device has its own kernel of that name; primitives run everywhere, fused ones where this says so. */
  has(kernel: KernelName): boolean;
  /** Computes, or sees to it that it is computed before anything that comes later. */
  run<K extends KernelName>(kernel: K, inputs: readonly Operand[], out: Operand, attributes: Attributes<K>): void;
  /** Waits until all is computed; absent where `run` does, or where only reading can wait. Who measures needs it. */
  settle?(): void;
  /** How often each kernel that this device lacks was answered by `cpu`. */
  readonly fallbacks: ReadonlyMap<KernelName, number>;
}

const factories = new Map<string, () => Backend>();
const backends = new Map<string, Backend>();
let defaultName = "cpu";

/** Makes a device known, also in the place of one before; it is built when first used. */
export function registerBackend(name: string, create: () => Backend): void {
  factories.set(name, create);
  backends.delete(name);
}

/** Devices that are known here. */
export function deviceNames(): string[] {
  return [...factories.keys()];
}

/** Those that have been used. */
export function builtBackends(): Iterable<Backend> {
  return backends.values();
}

/** The device of that name, or the default one. */
export function getBackend(name: string = defaultName): Backend {
  const known = backends.get(name);
  if (known) return known;
  const create = factories.get(name);
  if (!create) throw unknownDevice(name);
  const backend = create();
  backends.set(name, backend);
  return backend;
}

function unknownDevice(name: string): DeviceError {
  const hint = /^gpu(:|$)/.test(name) ? "; await loadGpu() makes gpu devices known" : "";
  return new DeviceError(`no device "${name}"; there are ${deviceNames().join(", ")}${hint}`);
}

/** Where tensors are made when a call does not say. */
export function setDefaultDevice(name: string): void {
  if (!factories.has(name)) throw unknownDevice(name);
  defaultName = name;
}

/** @throws {DTypeError} when the device does not hold that dtype: nothing is converted in silence */
export function checkDType(operation: string, backend: Backend, dtype: DType): void {
  if (!backend.dtypes.includes(dtype))
    throw new DTypeError(
      `${operation}: device ${backend.name} holds ${backend.dtypes.join(", ")}, not ${dtype}; use the cpu device for ${dtype}`,
    );
}
