import type { Operand } from "../../../backend.ts";
import { sizeOf } from "../../../shape.ts";
import { Kernel } from "../assembly/kernel.ts";
import { addressOf, type WasmDevice } from "../device.ts";
import type { WasmStorage } from "../residents.ts";
import type { HostKernels } from "./types.ts";

const TILE_CELLS = 8192;
const TILE_COLUMNS = 16;
const NANOSECONDS = 0.5;

/** Where an index is out of range, `cpu` says so. */
export const indexing = {
  gather(device, [table, indices], out) {
    if (!areInRange(device, indices!, table!.shape[0]!)) return false;
    const width = sizeOf(table!.shape.slice(1));
    if (width === 0) return true;
    const tileRows = Math.max(1, Math.floor(TILE_CELLS / width));
    writeArguments(device, table!, indices!, out, [indices!.storage.size, width, tileRows]);
    device.run(Kernel.gather, Math.ceil(indices!.storage.size / tileRows), NANOSECONDS * out.storage.size);
    return true;
  },
  scatterAdd(device, [updates, indices], out) {
    if (out.dtype !== "float32" || !areInRange(device, indices!, out.shape[0]!)) return false;
    const width = sizeOf(out.shape.slice(1));
    const cost = NANOSECONDS * (updates!.storage.size + out.storage.size);
    writeArguments(device, updates!, indices!, out, [indices!.storage.size, width, TILE_COLUMNS, out.shape[0]!]);
    device.run(Kernel.scatterAdd, Math.ceil(width / TILE_COLUMNS), cost);
    return true;
  },
  takeAlongAxis(device, [x, indices], out, { axis }) {
    if (!areInRange(device, indices!, x!.shape[axis]!)) return false;
    const outer = sizeOf(out.shape.slice(0, axis));
    const inner = sizeOf(out.shape.slice(axis + 1));
    writeArguments(device, x!, indices!, out, [outer, inner, TILE_CELLS, x!.shape[axis]!, out.shape[axis]!]);
    device.run(Kernel.takeAlongAxis, Math.ceil(out.storage.size / TILE_CELLS), 2 * out.storage.size);
    return true;
  },
  putAlongAxis(device, [updates, indices], out, { axis }) {
    if (out.dtype !== "float32" || !areInRange(device, indices!, out.shape[axis]!)) return false;
    const outer = sizeOf(out.shape.slice(0, axis));
    const inner = sizeOf(out.shape.slice(axis + 1));
    const tileItems = Math.max(1, Math.floor(TILE_CELLS / Math.max(1, out.shape[axis]! * inner)));
    const lengths = [outer, inner, tileItems, out.shape[axis]!, updates!.shape[axis]!];
    writeArguments(device, updates!, indices!, out, lengths);
    const cost = 2 * updates!.storage.size + NANOSECONDS * out.storage.size;
    device.run(Kernel.putAlongAxis, Math.ceil(outer / tileItems), cost);
    return true;
  },
} satisfies HostKernels;

/** @param lengths as `assembly/indexing.ts` names them from ROWS on */
function writeArguments(
  device: WasmDevice,
  from: Operand,
  indices: Operand,
  out: Operand,
  lengths: readonly number[],
): void {
  const { ints } = device;
  ints[0] = addressOf(out);
  ints[1] = addressOf(from);
  ints[2] = addressOf(indices);
  for (let i = 0; i < lengths.length; i++) ints[3 + i] = lengths[i]!;
}

function areInRange(device: WasmDevice, indices: Operand, count: number): boolean {
  const view = device.peek((indices.storage as WasmStorage).holding);
  for (let i = 0; i < view.length; i++) if (view[i]! < 0 || view[i]! >= count) return false;
  return true;
}
