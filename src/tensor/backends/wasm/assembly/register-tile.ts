// The register tile of this machine: 6 × 16 results where its vectors have 256 bits, else 6 × 8 (see
// scripts/register-tiles.mjs, which writes the loops). Cells have the same bits in both.

import { scratch, storeLanes, ZEROS } from "./job";
import { columnsTile16, columnsTile8, rowsTile16, rowsTile8 } from "./register-tile.generated";

/** Columns of a tile, 8 or 16; the host writes it. */
const COLUMNS: usize = 1920;
/** Bytes of scratch that a tile may take. */
export const TILE_BYTES: usize = 6 * 16 * 4;

// @ts-expect-error: decorator
@inline
export function tileColumns(): i32 {
  return ASC_FEATURE_RELAXED_SIMD ? load<i32>(COLUMNS) : 8;
}

/** Columns of a panel that begins with `left` columns left: the last ones take a narrow tile where they fit into it. */
// @ts-expect-error: decorator
@inline
export function panelColumns(left: i32): i32 {
  return left > 8 ? tileColumns() : 8;
}

/** How many of these columns stand in panels of 16. */
// @ts-expect-error: decorator
@inline
export function wideColumns(columns: i32): i32 {
  if (tileColumns() === 8) return 0;
  const rest = columns & 15;
  return rest > 8 ? columns : columns - rest;
}

/**
 * `rows` rows of results in the columns of one panel, six at a time: what they begin with, a product over `depth` steps of
 * the inner dimension, and what is added at last, in this order.
 *
 * @param byRows whether A stands by rows, or by columns: 6 cells beside each other at each step
 * @param a the first cells of A; `step` bytes from one row to the next, or from the cells of one step to the next
 * @param next bytes from the cells of six rows to those of the next six
 * @param panel the columns of B, [depth][panelColumns(width)]
 * @param from what the results begin with, read to the panel's full width, `fromStride` bytes from one row to the next
 * @param to the results, `stride` bytes from one row to the next
 * @param addend like `from`, which may be `to`, as this may not
 */
export function downPanel(
  byRows: bool,
  a: usize,
  step: usize,
  next: usize,
  panel: usize,
  depth: i32,
  rows: i32,
  width: i32,
  from: usize,
  fromStride: usize,
  to: usize,
  stride: usize,
  addend: usize,
  addendStride: usize,
): void {
  const columns = panelColumns(width);
  // Two loops: a branch in one of them would cost a hundredth of a product.
  const whole = width === columns ? rows - (rows % 6) : 0;
  for (let i = 0; i < whole; i += 6) {
    tile(byRows, columns, a, step, 6, panel, depth, from, fromStride, to, stride, addend, addendStride);
    a += next;
    from += fromStride * 6;
    to += stride * 6;
    addend += addendStride * 6;
  }
  const bytes = <usize>columns << 2;
  for (let i = whole; i < rows; i += 6) {
    const height = min(6, rows - i);
    let begin = from;
    if (fromStride) {
      addPart(from, fromStride, ZEROS, 0, scratch, bytes, height, width);
      begin = scratch;
    }
    tile(byRows, columns, a, step, height, panel, depth, begin, fromStride ? bytes : 0, scratch, bytes, ZEROS, 0);
    addPart(scratch, bytes, addend, addendStride, to, stride, height, width);
    a += next;
    from += fromStride * 6;
    to += stride * 6;
    addend += addendStride * 6;
  }
}

/** A whole tile; of A's rows, only the first `height` are read. */
@inline
function tile(
  byRows: bool,
  columns: i32,
  a: usize,
  step: usize,
  height: i32,
  panel: usize,
  depth: i32,
  from: usize,
  fromStride: usize,
  to: usize,
  stride: usize,
  addend: usize,
  addendStride: usize,
): void {
  if (columns === 16) {
    if (byRows) rowsTile16(a, step, height, panel, depth, from, fromStride, to, stride, addend, addendStride);
    else columnsTile16(a, step, panel, depth, from, fromStride, to, stride, addend, addendStride);
  } else if (byRows) rowsTile8(a, step, height, panel, depth, from, fromStride, to, stride, addend, addendStride);
  else columnsTile8(a, step, panel, depth, from, fromStride, to, stride, addend, addendStride);
}

/** to = x + y in the first cells of rows. */
function addPart(
  x: usize,
  xStride: usize,
  y: usize,
  yStride: usize,
  to: usize,
  stride: usize,
  height: i32,
  width: i32,
): void {
  for (let i = 0; i < height; i++) {
    for (let j = 0; j < width; j += 4) {
      const at = <usize>j << 2;
      storeLanes(to + at, f32x4.add(v128.load(x + at), v128.load(y + at)), width - j);
    }
    x += xStride;
    y += yStride;
    to += stride;
  }
}
