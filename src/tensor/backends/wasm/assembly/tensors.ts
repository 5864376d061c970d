// Jobs over several tensors at once. A table has a row for each: its first tile, its cells, the addresses of its operands.

import { address, int } from "./job";

const TABLE = 0;
const COUNT = 1;
const TILE = 2;
const ROW_BYTES: usize = 24;

/** The cells [first, last) of a tensor that a tile covers, and its row's operands. */
export let operands: usize = 0;
export let first: i32 = 0;
export let last: i32 = 0;

/** Finds the last row whose first tile is not beyond this one: of tensors without cells, none is found. */
export function findTensor(tile: i32): void {
  let low = 0;
  let high = int(COUNT) - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (load<i32>(address(TABLE) + ROW_BYTES * middle) <= tile) low = middle;
    else high = middle - 1;
  }
  const row = address(TABLE) + ROW_BYTES * low;
  operands = row + 8;
  first = (tile - load<i32>(row)) * int(TILE);
  last = min(load<i32>(row, 4), first + int(TILE));
}
