// Reductions of x [outer, count, inner] over `count`. Work is split over cells of the output; where `count` is long, the host
// asks for those of its parts first. The terms of one cell are added in an order that the shape fixes, in blocks, so that
// rounding errors grow with the blocks and not with the terms.

import { address, int, loadLanes, madd, storeCells, storePair, sumLanes } from "./job";
import { Reduction } from "./kernel";
import { findTensor, first, last, operands } from "./tensors";

const OUT = 0;
const X = 1;
const OPERATION = 2;
const OUTER = 3;
const COUNT = 4;
const INNER = 5;
const TILE_ROWS = 6;
const TILE_COLUMNS = 6;
const TOTAL = 7; // cells of x, or rows where columns are reduced: the last row, or group of rows, may be shorter

/** Terms that are added in one go. */
const BLOCK: i32 = 512;
/** Columns that go from top to bottom together, and rows of a block there. */
const COLUMNS: i32 = 32;
const BLOCK_ROWS: i32 = 64;

@inline
function combine(operation: i32, x: v128, y: v128): v128 {
  if (operation === Reduction.sum) return f32x4.add(x, y);
  if (operation === Reduction.max) return f32x4.max(x, y);
  return f32x4.min(x, y);
}

@inline
function initial(operation: i32): f32 {
  if (operation === Reduction.sum) return 0;
  return operation === Reduction.max ? -Infinity : Infinity;
}

/** Rows: the reduced axis is the last one. */
export function reduceRowsTile(tile: i32): void {
  const last = min(int(OUTER), (tile + 1) * int(TILE_ROWS));
  for (let row = tile * int(TILE_ROWS); row < last; row++) {
    const start = row * int(COUNT);
    const count = min(int(COUNT), int(TOTAL) - start);
    store<f32>(address(OUT) + (<usize>row << 2), reduceRow(address(X) + (<usize>start << 2), count));
  }
}

function reduceRow(x: usize, count: i32): f32 {
  if (int(OPERATION) === Reduction.sum) return sumRow(x, count);
  if (int(OPERATION) === Reduction.max) return maxOrNaN(reduceLanes(Reduction.max, x, count));
  return -maxOrNaN(f32x4.neg(reduceLanes(Reduction.min, x, count)));
}

/** The largest lane; NaN wins. */
function maxOrNaN(x: v128): f32 {
  const pairs = f32x4.max(x, v128.shuffle<f32>(x, x, 2, 3, 0, 1));
  return f32x4.extract_lane(f32x4.max(pairs, v128.shuffle<f32>(pairs, pairs, 1, 0, 3, 2)), 0);
}

function sumRow(x: usize, count: i32): f32 {
  let total: f64 = 0;
  for (; count > 0; count -= BLOCK) {
    total += <f64>sumLanes(reduceLanes(Reduction.sum, x, min(count, BLOCK)));
    x += BLOCK << 2;
  }
  return <f32>total;
}

/** Four running results. */
@inline
function reduceLanes(operation: i32, x: usize, count: i32): v128 {
  const neutral = f32x4.splat(initial(operation));
  let a = neutral;
  let b = neutral;
  for (; count >= 8; count -= 8) {
    a = combine(operation, a, v128.load(x));
    b = combine(operation, b, v128.load(x, 16));
    x += 32;
  }
  for (; count > 0; count -= 4) {
    a = combine(operation, a, loadLanes(x, count, neutral));
    x += 16;
  }
  return combine(operation, a, b);
}

/** Columns: a tile is `TILE_COLUMNS` of the `inner` columns of one of the outer items. */
export function reduceColumnsTile(tile: i32): void {
  if (int(OPERATION) === Reduction.sum) reduceColumns(Reduction.sum, tile);
  else if (int(OPERATION) === Reduction.max) reduceColumns(Reduction.max, tile);
  else reduceColumns(Reduction.min, tile);
}

@inline
function reduceColumns(operation: i32, tile: i32): void {
  const inner = int(INNER);
  const tiles = (inner + int(TILE_COLUMNS) - 1) / int(TILE_COLUMNS);
  const item = tile / tiles;
  const first = (tile % tiles) * int(TILE_COLUMNS);
  const last = min(inner, first + int(TILE_COLUMNS));
  const row = item * int(COUNT);
  const rows = min(int(COUNT), int(TOTAL) - row);
  const stride = <usize>inner << 2;
  for (let column = first; column < last; ) {
    const x = address(X) + (<usize>(row * inner + column) << 2);
    const out = address(OUT) + (<usize>(item * inner + column) << 2);
    const whole = last - column >= COLUMNS;
    if (whole) allColumns(operation, x, stride, rows, out);
    else eightColumns(operation, x, stride, rows, out, last - column);
    column += whole ? COLUMNS : 8;
  }
}

/** From top to bottom: of each row the cache lines are read once. */
@inline
function allColumns(operation: i32, x: usize, stride: usize, rows: i32, out: usize): void {
  const neutral = f32x4.splat(initial(operation));
  for (let j = 0; j < COLUMNS; j += 4) v128.store(out + (<usize>j << 2), neutral);
  for (let row = 0; row < rows; row += BLOCK_ROWS) {
    let a = neutral;
    let b = neutral;
    let c = neutral;
    let d = neutral;
    let e = neutral;
    let f = neutral;
    let g = neutral;
    let h = neutral;
    for (let i = min(BLOCK_ROWS, rows - row); i > 0; i--) {
      a = combine(operation, a, v128.load(x));
      b = combine(operation, b, v128.load(x, 16));
      c = combine(operation, c, v128.load(x, 32));
      d = combine(operation, d, v128.load(x, 48));
      e = combine(operation, e, v128.load(x, 64));
      f = combine(operation, f, v128.load(x, 80));
      g = combine(operation, g, v128.load(x, 96));
      h = combine(operation, h, v128.load(x, 112));
      x += stride;
    }
    combineInto(operation, out, a, b);
    combineInto(operation, out + 32, c, d);
    combineInto(operation, out + 64, e, f);
    combineInto(operation, out + 96, g, h);
  }
}

@inline
function combineInto(operation: i32, out: usize, a: v128, b: v128): void {
  const left = v128.load(out);
  const right = v128.load(out, 16);
  storePair(out, combine(operation, left, a), combine(operation, right, b));
}

/** Up to eight columns from top to bottom. */
@inline
function eightColumns(operation: i32, x: usize, stride: usize, rows: i32, out: usize, columns: i32): void {
  const neutral = f32x4.splat(initial(operation));
  let left = neutral;
  let right = neutral;
  for (let row = 0; row < rows; row += BLOCK_ROWS) {
    let a = neutral;
    let b = neutral;
    for (let i = min(BLOCK_ROWS, rows - row); i > 0; i--) {
      a = combine(operation, a, v128.load(x));
      b = combine(operation, b, v128.load(x, 16));
      x += stride;
    }
    left = combine(operation, left, a);
    right = combine(operation, right, b);
  }
  storeCells(out, left, right, columns);
}

/** Index of the first NaN, else of the first maximum; a tile is rows of the output. */
export function argmaxTile(tile: i32): void {
  const inner = int(INNER);
  const count = int(COUNT);
  const stride = <usize>inner << 2;
  const last = min(int(OUTER) * inner, (tile + 1) * int(TILE_ROWS));
  for (let cell = tile * int(TILE_ROWS); cell < last; cell++) {
    let at = address(X) + (<usize>((cell / inner) * count * inner + (cell % inner)) << 2);
    let best = 0;
    let largest = load<f32>(at);
    for (let i = 1; i < count && !isNaN(largest); i++) {
      at += stride;
      const value = load<f32>(at);
      if (value > largest || isNaN(value)) {
        largest = value;
        best = i;
      }
    }
    store<i32>(address(OUT) + (<usize>cell << 2), best);
  }
}

/** out[i] = Σ over parts p of from[p · size + i], in the order of p, + addend[i] if there is one; a tile is 4096 cells. */
export function sumPartsTile(tile: i32): void {
  const parts = int(2);
  const size = int(3);
  const addend = address(4);
  const stride = <usize>size << 2;
  const first = tile << 12;
  const last = min(size, first + 4096);
  for (let i = first; i < last; i += 8) {
    const at = <usize>i << 2;
    let from = address(1) + at;
    let left = v128.load(from);
    let right = v128.load(from, 16);
    for (let p = 1; p < parts; p++) {
      from += stride;
      left = f32x4.add(left, v128.load(from));
      right = f32x4.add(right, v128.load(from, 16));
    }
    if (addend) {
      left = f32x4.add(left, v128.load(addend + at));
      right = f32x4.add(right, v128.load(addend + at, 16));
    }
    storeCells(address(0) + at, left, right, last - i);
  }
}

const PARTS = 3;

/** One part for each tile: Σ x² over its cells. */
export function sumOfSquaresTile(tile: i32): void {
  findTensor(tile);
  const from = <usize>load<u32>(operands);
  let sum = f32x4.splat(0);
  for (let i = first; i < last; i += 4) {
    const x = loadLanes(from + (<usize>i << 2), last - i, f32x4.splat(0));
    sum = madd(x, x, sum);
  }
  store<f32>(address(PARTS) + (<usize>tile << 2), sumLanes(sum));
}
