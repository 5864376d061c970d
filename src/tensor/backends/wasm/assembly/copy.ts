// Copies between strided views of 4-byte cells: permute, slice, pad and concat are this with different strides.

import { address, int, storeLanes } from "./job";

const OUT = 0;
const FROM = 1;
const LENGTH = 2; // of a row
const FROM_STEP = 3; // cells from one to the next within a row
const OUT_STEP = 4;
const ROWS = 5;
const TILE_ROWS = 6;
const AXES = 7; // outer axes
const SIZES = 8; // (size, step of from, step of out) an axis, the last one first

export function copyTile(tile: i32): void {
  const last = min(int(ROWS), (tile + 1) * int(TILE_ROWS));
  for (let row = tile * int(TILE_ROWS); row < last; row++) {
    let from = address(FROM);
    let out = address(OUT);
    let rest = row;
    for (let axis = 0, axes = int(AXES); axis < axes; axis++) {
      const size = int(SIZES + 3 * axis);
      const index = rest % size;
      rest /= size;
      from += (index * int(SIZES + 3 * axis + 1)) << 2;
      out += (index * int(SIZES + 3 * axis + 2)) << 2;
    }
    copyRow(from, out, int(LENGTH));
  }
}

@inline
function copyRow(from: usize, out: usize, length: i32): void {
  const step = int(FROM_STEP) << 2;
  const outStep = int(OUT_STEP) << 2;
  if (outStep !== 4) {
    for (let i = 0; i < length; i++) {
      store<u32>(out, load<u32>(from));
      from += step;
      out += outStep;
    }
  } else if (step === 4) {
    for (let i = length; i > 0; i -= 4) {
      storeLanes(out, v128.load(from), i);
      from += 16;
      out += 16;
    }
  } else {
    for (let i = 0; i < length; i++) {
      store<u32>(out, load<u32>(from));
      from += step;
      out += 4;
    }
  }
}

/** Sets cells to the bits of one value; a tile is TILE_ROWS cells. */
export function fillTile(tile: i32): void {
  const first = tile * int(TILE_ROWS);
  const last = min(int(ROWS), first + int(TILE_ROWS));
  const value = i32x4.splat(int(FROM));
  for (let i = first; i < last; i += 4) storeLanes(address(OUT) + (<usize>i << 2), value, last - i);
}
