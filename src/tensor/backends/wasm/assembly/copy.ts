// Copies between strided views of 4-byte cells: permute, slice, pad and concat are this with different strides.

import { address, fillCells, int, scratch, storeLanes } from "./job";

const OUT = 0;
const FROM = 1;
const LENGTH = 2; // of a row
const FROM_STEP = 3; // cells from one to the next within a row
const OUT_STEP = 4;
const ROWS = 5;
const TILE_ROWS = 6;
const AXES = 7; // outer axes, at least one
const SIZES = 8; // (size, step of from, step of out) an axis, the last one first

/** Where the tile's next run begins in both arrays; how far it is along each outer axis stands in scratch. */
let from: usize = 0;
let out: usize = 0;

/** Rows lie in runs: those along the last outer axis. */
export function copyTile(tile: i32): void {
  let row = tile * int(TILE_ROWS);
  const last = min(int(ROWS), row + int(TILE_ROWS));
  const size = int(SIZES);
  const fromStep = <usize>int(SIZES + 1) << 2;
  const outStep = <usize>int(SIZES + 2) << 2;
  let first = row % size;
  goTo(row / size);
  while (row < last) {
    const end = min(size, first + last - row);
    for (let i = first; i < end; i++) copyRow(from + fromStep * i, out + outStep * i, int(LENGTH));
    row += end - first;
    first = 0;
    goOn();
  }
}

function goTo(run: i32): void {
  from = address(FROM);
  out = address(OUT);
  for (let axis = 1, axes = int(AXES); axis < axes; axis++) {
    const size = int(SIZES + 3 * axis);
    const index = run % size;
    run /= size;
    store<i32>(scratch + (<usize>axis << 2), index);
    from += (index * int(SIZES + 3 * axis + 1)) << 2;
    out += (index * int(SIZES + 3 * axis + 2)) << 2;
  }
}

/** To the next run. Axes that are through begin anew; divisions, as in `goTo`, would take longer than short rows. */
function goOn(): void {
  for (let axis = 1, axes = int(AXES); axis < axes; axis++) {
    const at = scratch + (<usize>axis << 2);
    const index = load<i32>(at) + 1;
    const size = int(SIZES + 3 * axis);
    const fromStep = int(SIZES + 3 * axis + 1) << 2;
    const outStep = int(SIZES + 3 * axis + 2) << 2;
    from += fromStep;
    out += outStep;
    if (index < size) {
      store<i32>(at, index);
      return;
    }
    store<i32>(at, 0);
    from -= size * fromStep;
    out -= size * outStep;
  }
}

@inline
function copyRow(from: usize, out: usize, length: i32): void {
  const step = int(FROM_STEP) << 2;
  const outStep = int(OUT_STEP) << 2;
  if (step !== 4 || outStep !== 4) {
    for (let i = 0; i < length; i++) {
      store<u32>(out, load<u32>(from));
      from += step;
      out += outStep;
    }
    return;
  }
  let left = length;
  for (; left >= 4; left -= 4) {
    v128.store(out, v128.load(from));
    from += 16;
    out += 16;
  }
  if (left) storeLanes(out, v128.load(from), left);
}

/** Sets cells to the bits of one value; a tile is TILE_ROWS cells. */
export function fillTile(tile: i32): void {
  const first = tile * int(TILE_ROWS);
  const last = min(int(ROWS), first + int(TILE_ROWS));
  fillCells(address(OUT) + (<usize>first << 2), last - first, i32x4.splat(int(FROM)));
}
