import type { Storage } from "../../backend.ts";
import type { DType, TypedArray } from "../../dtype.ts";
import { DeviceError, DTypeError } from "../../errors.ts";
import type { Holding } from "../../memory.ts";

/** The cells of a storage; in asynchronous modes they may still be computed. int32 is held as float32. */
export type Cells = Float32Array | Promise<Float32Array>;

/** From here on float32 does not hold every whole number. */
const LARGEST_WHOLE = 2 ** 24;

/** A kernel puts new cells in the place of the old: memory of a GPU is not changed in place. */
export class GpuStorage implements Storage {
  references = 1;
  holding?: Holding = undefined;

  constructor(
    readonly dtype: DType,
    readonly size: number,
    /** null until something was computed into it. */
    public cells: Cells | null,
  ) {}
}

export function isPending(cells: Cells): cells is Promise<Float32Array> {
  return cells instanceof Promise;
}

/** @throws {DTypeError} for an int32 beyond 2²⁴, which float32 would round */
export function fromHost(device: string, values: TypedArray, dtype: DType): Float32Array {
  const cells = Float32Array.from(values);
  if (dtype === "int32") checkWhole(device, values);
  return cells;
}

/** @throws {DTypeError} for an int32 that may have been rounded */
export function toHost(device: string, cells: Float32Array, dtype: DType): TypedArray {
  if (dtype !== "int32") return cells.slice();
  checkWhole(device, cells);
  return Int32Array.from(cells);
}

function checkWhole(device: string, values: TypedArray): void {
  const index = values.findIndex((value) => Math.abs(value) > LARGEST_WHOLE);
  if (index >= 0)
    throw new DTypeError(
      `device ${device} holds int32 as float32, exact up to 2^24; element ${index} is ${values[index]}, use another device for it`,
    );
}

/** The cells, at once. @throws {DeviceError} while they are being computed */
export function cellsNow(device: string, storage: GpuStorage): Float32Array {
  const { cells, size } = storage;
  if (cells === null) return new Float32Array(size);
  if (isPending(cells)) throw new DeviceError(`dataSync: device ${device} answers later; await data()`);
  return cells;
}
