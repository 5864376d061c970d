import type { Operand } from "../../../backend.ts";
import { sizeOf } from "../../../shape.ts";
import { Kernel, Reduction } from "../assembly/kernel.ts";
import { addressOf, type WasmDevice } from "../device.ts";
import type { WasmStorage } from "../residents.ts";
import { runTensors, tilesOf } from "./tensors.ts";
import type { HostKernels } from "./types.ts";

const TILE_CELLS = 8192;
/** Of `reduceColumns`: a tile has a multiple of so many columns, and about so many cells. */
const COLUMNS = 32;
const COLUMN_CELLS = 32_768;
/** Rows that are all there is are reduced in parts of so many and `TILE_CELLS` at least: each thread reads its own. */
const PART_ROWS = 128;
/** A row that is all there is, and longer than this, is reduced in parts of this length. */
const LONG_ROW = 8192;
const NANOSECONDS = 0.3;

/** x [outer, count, inner], to be reduced over `count`. */
interface Layers {
  readonly outer: number;
  readonly count: number;
  readonly inner: number;
}

export const reductions = {
  sum: reduction(Reduction.sum),
  max: reduction(Reduction.max),
  min: reduction(Reduction.min),
  argmax(device, [x], out, { axis }) {
    if (x!.dtype !== "float32" || x!.shape[axis] === 0) return false;
    const { ints } = device;
    const outer = sizeOf(x!.shape.slice(0, axis));
    const inner = sizeOf(x!.shape.slice(axis + 1));
    const tileRows = Math.ceil(TILE_CELLS / x!.shape[axis]!);
    ints[0] = addressOf(out);
    ints[1] = addressOf(x!);
    ints[3] = outer;
    ints[4] = x!.shape[axis]!;
    ints[5] = inner;
    ints[6] = tileRows;
    device.run(Kernel.argmax, Math.ceil((outer * inner) / tileRows), x!.storage.size);
    return true;
  },
  sumOfSquares(device, tensors, out) {
    const tiles = tilesOf(tensors);
    device.withBlock(4 * tiles, (parts) => {
      device.ints[3] = parts;
      runTensors(
        device,
        Kernel.sumOfSquares,
        tensors.map((tensor) => [tensor]),
      );
      reduceLayers(device, Reduction.sum, parts, addressOf(out), { outer: 1, count: tiles, inner: 1 });
    });
    return true;
  },
} satisfies HostKernels;

type AxesKernel = (
  device: WasmDevice,
  inputs: readonly Operand[],
  out: Operand,
  attributes: { readonly axes: readonly number[] },
) => boolean;

function reduction(operation: Reduction): AxesKernel {
  return (device, [x], out, { axes }) => {
    const isEmpty = x!.storage.size === 0;
    if (x!.dtype !== "float32" || (isEmpty && operation !== Reduction.sum)) return false;
    if (isEmpty) device.view(out.storage as WasmStorage).fill(0);
    else reduceGroups(device, operation, addressOf(x!), addressOf(out), x!, axes);
    return true;
  };
}

/** Neighbouring reduced axes are one group; the groups are reduced one after the other, the last one first. */
function reduceGroups(
  device: WasmDevice,
  operation: Reduction,
  from: number,
  to: number,
  { shape }: Pick<Operand, "shape">,
  axes: readonly number[],
): void {
  const isReduced = (axis: number) => axes.includes(axis) || shape[axis] === 1;
  let end = shape.length;
  while (end > 0 && !(axes.includes(end - 1) && shape[end - 1] !== 1)) end--;
  let start = end;
  while (start > 0 && isReduced(start - 1)) start--;
  const count = sizeOf(shape.slice(start, end));
  const layers = { outer: sizeOf(shape.slice(0, start)), count, inner: sizeOf(shape.slice(end)) };
  const rest = axes.filter((axis) => axis < start && shape[axis] !== 1);
  if (rest.length === 0) {
    reduceLayers(device, operation, from, to, layers);
    return;
  }
  device.withBlock(layers.outer * layers.inner * 4, (between) => {
    reduceLayers(device, operation, from, between, layers);
    const reduced = shape.map((n, axis) => (axis >= start && axis < end ? 1 : n));
    reduceGroups(device, operation, between, to, { shape: reduced }, rest);
  });
}

/** What is one group, and long, is reduced in parts first. */
export function reduceLayers(device: WasmDevice, operation: Reduction, from: number, to: number, layers: Layers): void {
  const { outer, count, inner } = layers;
  const rows = inner > 1 ? Math.max(PART_ROWS, Math.ceil(TILE_CELLS / inner)) : LONG_ROW;
  if (outer > 1 || count <= rows) {
    reduceOnce(device, operation, from, to, layers, outer * count);
    return;
  }
  const parts = Math.ceil(count / rows);
  device.withBlock(parts * inner * 4, (between) => {
    reduceOnce(device, operation, from, between, { outer: parts, count: rows, inner }, count);
    reduceLayers(device, operation, between, to, { outer: 1, count: parts, inner });
  });
}

/** @param total rows altogether: the last group may have fewer */
function reduceOnce(
  device: WasmDevice,
  operation: Reduction,
  from: number,
  to: number,
  layers: Layers,
  total: number,
): void {
  if (layers.inner > 1) reduceColumns(device, operation, from, to, layers, total);
  else reduceRows(device, operation, from, to, layers.outer, layers.count, total);
}

/** @param total cells altogether: the last row may be shorter */
export function reduceRows(
  device: WasmDevice,
  operation: Reduction,
  from: number,
  to: number,
  rows: number,
  count: number,
  total: number,
): void {
  const { ints } = device;
  const tileRows = Math.max(1, Math.floor(TILE_CELLS / Math.max(1, count)));
  ints[0] = to;
  ints[1] = from;
  ints[2] = operation;
  ints[3] = rows;
  ints[4] = count;
  ints[6] = tileRows;
  ints[7] = total;
  device.run(Kernel.reduceRows, Math.ceil(rows / tileRows), NANOSECONDS * total);
}

function reduceColumns(
  device: WasmDevice,
  operation: Reduction,
  from: number,
  to: number,
  { outer, count, inner }: Layers,
  total: number,
): void {
  const { ints } = device;
  const tileColumns = Math.max(1, Math.floor(COLUMN_CELLS / count / COLUMNS)) * COLUMNS;
  ints[0] = to;
  ints[1] = from;
  ints[2] = operation;
  ints[4] = count;
  ints[5] = inner;
  ints[6] = tileColumns;
  ints[7] = total;
  device.run(Kernel.reduceColumns, outer * Math.ceil(inner / tileColumns), NANOSECONDS * total * inner);
}

/** Adds `parts` arrays of `size` cells that stand one behind the other, in that order, and at last the addend, if not 0. */
export function sumParts(
  device: WasmDevice,
  from: number,
  to: number,
  addend: number,
  { parts, size }: { readonly parts: number; readonly size: number },
): void {
  const { ints } = device;
  ints[0] = to;
  ints[1] = from;
  ints[2] = parts;
  ints[3] = size;
  ints[4] = addend;
  device.run(Kernel.sumParts, Math.ceil(size / 4096), NANOSECONDS * parts * size);
}
