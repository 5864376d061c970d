// The register tile of this machine: 6 × 16 results where its vectors have 256 bits, else 6 × 8 (see
// scripts/register-tiles.mjs, which writes the loops). Cells have the same bits in both.

import { packedTile16, packedTile8, rowsTile16, rowsTile8 } from "./register-tile.generated";

/** Columns of a tile, 8 or 16; the host writes it. */
const COLUMNS: usize = 1920;
export const ROWS: i32 = 6;
/** Bytes of scratch that a tile may take. */
export const TILE_BYTES: usize = 6 * 16 * 4;

// @ts-expect-error: decorator
@inline
export function tileColumns(): i32 {
  return ASC_FEATURE_RELAXED_SIMD ? load<i32>(COLUMNS) : 8;
}

/** The rows of A stand in a panel [depth][6]. The other arguments are those of `finishTile`. */
// @ts-expect-error: decorator
@inline
export function packedTile(
  a: usize,
  b: usize,
  depth: i32,
  to: usize,
  stride: usize,
  height: i32,
  width: i32,
  first: bool,
  bias: usize,
  residual: usize,
): void {
  if (tileColumns() === 16) packedTile16(a, b, depth, to, stride, height, width, first, bias, residual);
  else packedTile8(a, b, depth, to, stride, height, width, first, bias, residual);
}

/** The rows of A stand `lda` cells apart; beyond `height` the last one is read again. */
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
  first: bool,
  bias: usize,
  residual: usize,
): void {
  if (tileColumns() === 16) rowsTile16(a, lda, b, depth, to, stride, height, width, first, bias, residual);
  else rowsTile8(a, lda, b, depth, to, stride, height, width, first, bias, residual);
}
