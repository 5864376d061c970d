// Reductions. Work is split over cells of the output; the terms of one cell are added in an order that the shape fixes.

import { address, int, storeLanes } from "./job";

/** out[i] = Σ over parts p of from[p · size + i], in the order of p; a tile is 4096 cells. */
export function sumPartsTile(tile: i32): void {
  const parts = int(2);
  const size = int(3);
  const stride = (<usize>size) << 2;
  const first = tile << 12;
  const last = min(size, first + 4096);
  for (let i = first; i < last; i += 4) {
    let from = address(1) + ((<usize>i) << 2);
    let sum = v128.load(from);
    for (let p = 1; p < parts; p++) {
      from += stride;
      sum = f32x4.add(sum, v128.load(from));
    }
    storeLanes(address(0) + ((<usize>i) << 2), sum, last - i);
  }
}
