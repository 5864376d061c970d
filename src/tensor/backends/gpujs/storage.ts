import type { Storage } from "../../backend.ts";
import { BYTES, type DType, type TypedArray } from "../../dtype.ts";
import { DTypeError } from "../../errors.ts";
import type { Holding } from "../../memory.ts";
import type { Shape } from "../../shape.ts";
import type { Cells } from "./cells.ts";

/** From here on float32 does not hold every whole number. */
const LARGEST_WHOLE = 2 ** 24;

/** What a storage holds: known apart from it, so that its memory can be given back once the storage is gone. */
export class Contents implements Holding {
  operation = "";
  shape: Shape = [];
  site: string | null = null;
  isKept = false;
  /** null until something was computed into it, and once it was given back. */
  cells: Cells | null = null;

  constructor(
    readonly dtype: DType,
    readonly bytes: number,
  ) {}

  /** Puts cells in the place of those before: memory of a GPU is not changed in place. */
  replace(cells: Cells | null): void {
    cells?.retain();
    this.cells?.release();
    this.cells = cells;
  }
}

export class GpuStorage implements Storage {
  references = 1;
  readonly holding: Contents;

  constructor(
    readonly dtype: DType,
    readonly size: number,
  ) {
    this.holding = new Contents(dtype, size * BYTES[dtype]);
  }
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
