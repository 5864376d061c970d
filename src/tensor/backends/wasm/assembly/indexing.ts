// Reading and adding through indices. The host has checked that all indices are in range.

import { address, fillCells, int, storeLanes } from "./job";

const OUT = 0;
const FROM = 1;
const INDICES = 2;
const ROWS = 3; // how many indices, or outer items
const WIDTH = 4; // cells of a table row, or inner cells
const TILE = 5; // rows, columns or items of a tile
const TABLE_ROWS = 6; // or the length of the indexed axis
const COUNT = 7; // indices along the axis

/** out[r] = table[indices[r]], rows of `width` cells. */
export function gatherTile(tile: i32): void {
  const width = int(WIDTH);
  const last = min(int(ROWS), (tile + 1) * int(TILE));
  for (let row = tile * int(TILE); row < last; row++) {
    let from = address(FROM) + (<usize>(load<i32>(address(INDICES) + (<usize>row << 2)) * width) << 2);
    let out = address(OUT) + (<usize>(row * width) << 2);
    for (let i = width; i > 0; i -= 4) {
      storeLanes(out, v128.load(from), i);
      from += 16;
      out += 16;
    }
  }
}

/** out[indices[r]] += updates[r] from zero, in the order of r; a tile is some columns of all rows. */
export function scatterAddTile(tile: i32): void {
  const width = int(WIDTH);
  const first = tile * int(TILE);
  const columns = min(width - first, int(TILE));
  const stride = <usize>width << 2;
  let out = address(OUT) + (<usize>first << 2);
  for (let row = int(TABLE_ROWS); row > 0; row--) {
    fillCells(out, columns, i32x4.splat(0));
    out += stride;
  }
  let from = address(FROM) + (<usize>first << 2);
  for (let row = 0, rows = int(ROWS); row < rows; row++) {
    const index = <usize>load<i32>(address(INDICES) + (<usize>row << 2));
    let to = address(OUT) + (<usize>first << 2) + index * stride;
    for (let i = 0; i < columns; i += 4) {
      const at = <usize>i << 2;
      storeLanes(to + at, f32x4.add(v128.load(to + at), v128.load(from + at)), columns - i);
    }
    from += stride;
  }
}

/** out[o, k, i] = x[o, indices[o, k, i], i]; a tile is cells of the output. */
export function takeAlongAxisTile(tile: i32): void {
  const width = int(WIDTH);
  const item = int(COUNT) * width;
  const last = min(int(ROWS) * item, (tile + 1) * int(TILE));
  for (let cell = tile * int(TILE); cell < last; cell++) {
    const index = load<i32>(address(INDICES) + (<usize>cell << 2));
    const from = (cell / item) * int(TABLE_ROWS) * width + index * width + (cell % width);
    store<u32>(address(OUT) + (<usize>cell << 2), load<u32>(address(FROM) + (<usize>from << 2)));
  }
}

/** out[o, indices[o, k, i], i] += updates[o, k, i] from zero; a tile is outer items. */
export function putAlongAxisTile(tile: i32): void {
  const width = int(WIDTH);
  const item = int(COUNT) * width;
  const outItem = int(TABLE_ROWS) * width;
  const first = tile * int(TILE);
  const last = min(int(ROWS), first + int(TILE));
  memory.fill(address(OUT) + (<usize>(first * outItem) << 2), 0, <usize>((last - first) * outItem) << 2);
  for (let cell = first * item; cell < last * item; cell++) {
    const index = load<i32>(address(INDICES) + (<usize>cell << 2));
    const to = address(OUT) + (<usize>((cell / item) * outItem + index * width + (cell % width)) << 2);
    store<f32>(to, load<f32>(to) + load<f32>(address(FROM) + (<usize>cell << 2)));
  }
}
