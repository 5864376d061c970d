// The register tile of this machine: 6 × 16 results where its vectors have 256 bits, else 6 × 8 (see
// scripts/register-tiles.mjs, which writes the loops). Cells have the same bits in both.

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
 * The first `height` rows and `width` columns of a tile of results: a product over `depth` steps of the inner dimension.
 * A stands by columns.
 *
 * @param a its rows of A: 6 cells beside each other, `step` bytes from those of one step to those of the next
 * @param b its columns of B, a panel [depth][panelColumns(width)]
 * @param stride bytes from one row to the next, in the results and in `addend`
 * @param bias what each row starts with, or `ZEROS`; read to the tile's full width
 * @param addend what is added at last, 0 for nothing; may be `to`
 */
// @ts-expect-error: decorator
@inline
export function columnsTile(
  a: usize,
  step: usize,
  b: usize,
  depth: i32,
  to: usize,
  stride: usize,
  height: i32,
  width: i32,
  bias: usize,
  addend: usize,
): void {
  if (panelColumns(width) === 16) columnsTile16(a, step, b, depth, to, stride, height, width, bias, addend);
  else columnsTile8(a, step, b, depth, to, stride, height, width, bias, addend);
}

/** The same where A stands by rows, `lda` cells from one to the next. */
// @ts-expect-error: decorator
@inline
export function rowsTile(
  a: usize,
  lda: i32,
  b: usize,
  depth: i32,
  to: usize,
  stride: usize,
  height: i32,
  width: i32,
  bias: usize,
  addend: usize,
): void {
  if (panelColumns(width) === 16) rowsTile16(a, lda, b, depth, to, stride, height, width, bias, addend);
  else rowsTile8(a, lda, b, depth, to, stride, height, width, bias, addend);
}
