import { scratch, storeLanes } from "./job";

/**
 * Adds the tile of sums in scratch, of `columns` cells a row, to the cells at `to`.
 *
 * @param stride bytes from one row to the next, there and in the residual
 * @param first whether there is no value yet
 * @param bias one cell a column, 0 when there is none or it is not due
 * @param residual one cell a cell, likewise
 */
export function finishTile(
  columns: i32,
  to: usize,
  stride: usize,
  height: i32,
  width: i32,
  first: bool,
  bias: usize,
  residual: usize,
): void {
  for (let i = 0; i < height; i++) {
    const row = scratch + (<usize>(i * columns) << 2);
    for (let j = 0; j < width; j += 4) {
      const at = <usize>j << 2;
      let value = v128.load(row + at);
      if (!first) value = f32x4.add(v128.load(to + at), value);
      if (bias) value = f32x4.add(value, v128.load(bias + at));
      if (residual) value = f32x4.add(value, v128.load(residual + at));
      storeLanes(to + at, value, width - j);
    }
    to += stride;
    if (residual) residual += stride;
  }
}
