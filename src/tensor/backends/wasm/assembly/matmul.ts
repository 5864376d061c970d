// C = op(A) op(B) (+ bias + residual, or GELU of it, or times a factor), batched, after Goto & van de Geijn, "Anatomy of
// high-performance matrix multiplication" (2008): B is packed into panels of 8 or 16 columns, A is read from 6 rows at once
// (when it is transposed, from panels of 6 rows, or in place for few columns), and a tile of results stays in registers over
// a block of the inner dimension.
//
// The order of the additions in one cell depends on the inner dimension alone: not on the tiles, not on the threads.

import { address, fillCells, int, scratch, storeCells, storeLanes, ZEROS } from "./job";
import { gelu, geluDerivative } from "./mathematics";
import { packAcross, packColumns, packRows } from "./pack";
import { job } from "./pool";
import { downPanel, TILE_BYTES, tileColumns } from "./register-tile";

const A = 0;
const B = 1;
const C = 2;
const BIAS = 3;
const RESIDUAL = 4;
const M = 5;
const N = 6;
const K = 7;
const TRANSPOSE_A = 8;
const TRANSPOSE_B = 9;
const ROWS = 10; // of a tile
const COLUMNS = 11; // of a tile
const DEPTH = 12; // of a block of the inner dimension
const ROW_TILES = 13;
const COLUMN_TILES = 14;
const SPLITS = 15; // parts of the inner dimension that become results of their own
const SPLIT_DEPTH = 16;
const LDA = 17;
const LDB = 18;
const BATCH_AXES = 19;
const GELU = 20; // whether it is taken of the results
const LIBRARY = 21; // where the BLAS library is described that computes the products of tiles, or 0
const SLOPES = 22; // like C: where the derivative of GELU goes with GELU, or what the results are multiplied with, or 0
const SUMS = 23; // where each part of the inner dimension leaves the sums of A over it, [SPLITS, M], or 0
const BATCH = 24; // (size, step of A, step of B) an axis, the last axis first

/**
 * Scratch: one register tile, then the panels of B, those of A, and sums that wait for the next block of the inner
 * dimension, each panel's behind the other: in C their rows lie far apart.
 */
const B_BYTES: usize = 1 << 19;
const A_BYTES: usize = 1 << 19;

/** Up to so many columns of a tile, copying rows of A costs more than their own order does. */
const FEW_COLUMNS: i32 = 64;

/** C = op(A) op(B) by a BLAS library, on this thread alone; see native-product.ts of the host. */
// @ts-expect-error: decorator
@external("env", "sgemm")
declare function sgemm(
  library: usize,
  transposeA: i32,
  transposeB: i32,
  m: i32,
  n: i32,
  k: i32,
  a: usize,
  lda: i32,
  b: usize,
  ldb: i32,
  c: usize,
  ldc: i32,
): void;

let packedJob: i32 = -1;
let packedPart: i32 = -1;

export function matmulTile(tile: i32): void {
  const splits = int(SPLITS);
  const columnTiles = int(COLUMN_TILES);
  const rowTile = tile % int(ROW_TILES);
  const part = tile / int(ROW_TILES); // everything but the rows: what a packed block of B belongs to
  const columnTile = part % columnTiles;
  const split = (part / columnTiles) % splits;
  const item = part / columnTiles / splits;

  let a = address(A);
  let b = address(B);
  let rest = item;
  for (let axis = 0, axes = int(BATCH_AXES); axis < axes; axis++) {
    const size = int(BATCH + 3 * axis);
    const index = rest % size;
    rest /= size;
    a += (<usize>index * int(BATCH + 3 * axis + 1)) << 2;
    b += (<usize>index * int(BATCH + 3 * axis + 2)) << 2;
  }
  const c = address(C) + ((<usize>(item * splits + split) * int(M) * int(N)) << 2);
  const row = rowTile * int(ROWS);
  const column = columnTile * int(COLUMNS);
  const start = split * int(SPLIT_DEPTH);
  const end = min(int(K), start + int(SPLIT_DEPTH));
  const rows = min(int(ROWS), int(M) - row);
  const columns = min(int(COLUMNS), int(N) - column);
  if (int(LIBRARY)) libraryBlock(a, b, c, row, rows, column, columns);
  else {
    const sums = address(SUMS) && column === 0 ? address(SUMS) + ((<usize>(split * int(M) + row)) << 2) : 0;
    block(a, b, c, sums, part, row, rows, column, columns, start, end);
  }
}

/** A tile of results over the whole inner dimension, by the library, which adds in an order of its own. */
function libraryBlock(a: usize, b: usize, c: usize, row: i32, rows: i32, column: i32, columns: i32): void {
  const n = int(N);
  const transposedA = int(TRANSPOSE_A);
  const transposedB = int(TRANSPOSE_B);
  a += (<usize>(transposedA ? row : row * int(LDA))) << 2;
  b += (<usize>(transposedB ? column * int(LDB) : column)) << 2;
  const offset = (<usize>(row * n + column)) << 2;
  const to = c + offset;
  sgemm(int(LIBRARY), transposedA, transposedB, rows, columns, int(K), a, int(LDA), b, int(LDB), to, n);
  const bias = address(BIAS) ? address(BIAS) + (<usize>column << 2) : 0;
  const residual = address(RESIDUAL) ? address(RESIDUAL) + offset : 0;
  if (bias || residual) addToRows(to, <usize>n << 2, rows, columns, bias, residual);
  finishRows(c, row, rows, column, columns);
}

/** Adds a row to all rows, and to each a row of its own. */
function addToRows(first: usize, stride: usize, rows: i32, columns: i32, bias: usize, residual: usize): void {
  const toResidual = residual - first;
  for (let row = first, end = first + <usize>rows * stride; row < end; row += stride)
    for (let j = 0; j < columns; j += 4) {
      const at = <usize>j << 2;
      let sum = v128.load(row + at);
      if (bias) sum = f32x4.add(sum, v128.load(bias + at));
      if (residual) sum = f32x4.add(sum, v128.load(row + toResidual + at));
      storeLanes(row + at, sum, columns - j);
    }
}

/** A tile of results over the inner range from `start` to `end`. */
function block(
  a: usize,
  b: usize,
  c: usize,
  sums: usize,
  part: i32,
  row: i32,
  rows: i32,
  column: i32,
  columns: i32,
  start: i32,
  end: i32,
): void {
  const panels = scratch + TILE_BYTES;
  const whole = end - start <= int(DEPTH);
  const tile = tileColumns();
  const bytes = <usize>tile << 2;
  let k = start;
  do {
    const depth = min(int(DEPTH), end - k);
    const fresh = !whole || packedJob !== job || packedPart !== part;
    packedJob = whole ? job : -1;
    packedPart = part;
    const first = k === start;
    const last = k + depth >= end;
    const lda = int(LDA);
    const transposed = int(TRANSPOSE_A) !== 0;
    let from = a + ((<usize>(transposed ? k * lda + row : row * lda + k)) << 2);
    let step = <usize>lda << 2; // from one cell of the inner dimension to the next, of a transposed operand
    let next: usize = transposed ? 24 : step * 6; // to the next rows
    if (sums) sumSteps(from, step, depth, rows, sums, first);
    if (transposed && columns > FEW_COLUMNS) {
      packRows(from, lda, panels + B_BYTES, depth, rows);
      from = panels + B_BYTES;
      step = 24;
      next = step * depth;
    }
    if (fresh) packB(b, panels, k, depth, column, columns);
    const bias = first && address(BIAS) !== 0;
    const residual = last && address(RESIDUAL) !== 0;
    const stride = <usize>int(N) << 2;
    let panel = panels;
    let partial = panels + B_BYTES + A_BYTES;
    for (let j = 0; j < columns; j += tile) {
      const width = min(tile, columns - j);
      const at = <usize>(column + j) << 2;
      const offset = <usize>row * stride + at;
      const to = last ? c + offset : partial;
      const toDown = last ? stride : bytes;
      const begin = bias ? address(BIAS) + at : first ? ZEROS : partial;
      const beginDown: usize = first ? 0 : bytes;
      const addend = residual ? address(RESIDUAL) + offset : ZEROS;
      const addendDown = residual ? stride : 0;
      const byRows = !transposed;
      downPanel(byRows, from, step, next, panel, depth, rows, width, begin, beginDown, to, toDown, addend, addendDown);
      panel += bytes * depth;
      partial += bytes * rows;
    }
    k += depth;
  } while (k < end);
  finishRows(c, row, rows, column, columns);
}

/** The sums of a transposed operand's cells over `depth` steps, and over those before unless these are the first. */
function sumSteps(from: usize, step: usize, depth: i32, count: i32, sums: usize, first: bool): void {
  if (first) fillCells(sums, count, f32x4.splat(0));
  for (let k = 0; k < depth; k++) {
    for (let j = 0; j < count; j += 8) {
      const at = sums + (<usize>j << 2);
      const cells = from + (<usize>j << 2);
      const left = f32x4.add(v128.load(at), v128.load(cells));
      const right = f32x4.add(v128.load(at, 16), v128.load(cells, 16));
      storeCells(at, left, right, count - j);
    }
    from += step;
  }
}

/** What is done at last to a tile that has just been computed and lies in the caches: by whole rows, as the slopes do. */
function finishRows(c: usize, row: i32, rows: i32, column: i32, columns: i32): void {
  const slopes = address(SLOPES);
  const stride = <usize>int(N) << 2;
  const offset = <usize>row * stride + (<usize>column << 2);
  if (int(GELU)) geluRows(c + offset, stride, slopes ? slopes + offset : 0, rows, columns);
  else if (slopes) timesRows(c + offset, stride, slopes + offset, rows, columns);
}

/** GELU in place, and its derivative where somebody wants it. */
function geluRows(first: usize, stride: usize, slopes: usize, rows: i32, columns: i32): void {
  const toSlopes = slopes - first;
  for (let row = first, end = first + <usize>rows * stride; row < end; row += stride)
    for (let j = 0; j < columns; j += 8) {
      const at = row + (<usize>j << 2);
      const x0 = v128.load(at);
      const x1 = v128.load(at, 16);
      if (slopes) storeCells(at + toSlopes, geluDerivative(x0), geluDerivative(x1), columns - j);
      storeCells(at, gelu(x0), gelu(x1), columns - j);
    }
}

function timesRows(first: usize, stride: usize, factors: usize, rows: i32, columns: i32): void {
  const toFactors = factors - first;
  for (let row = first, end = first + <usize>rows * stride; row < end; row += stride)
    for (let j = 0; j < columns; j += 8) {
      const at = row + (<usize>j << 2);
      const x0 = f32x4.mul(v128.load(at), v128.load(at + toFactors));
      const x1 = f32x4.mul(v128.load(at, 16), v128.load(at + toFactors, 16));
      storeCells(at, x0, x1, columns - j);
    }
}

function packB(b: usize, to: usize, k: i32, depth: i32, column: i32, columns: i32): void {
  const ldb = <usize>int(LDB);
  if (int(TRANSPOSE_B)) packAcross(b + ((<usize>column * ldb + k) << 2), ldb, to, depth, columns);
  else packColumns(b + ((<usize>k * ldb + column) << 2), ldb, to, depth, columns);
}
