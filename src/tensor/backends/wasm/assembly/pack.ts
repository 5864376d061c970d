// Copies of operands in the order in which the register tile reads them.

import { storePair } from "./job";
import { panelColumns, wideColumns } from "./register-tile";

/** Steps that are copied for all panels before the next ones: their cache lines are then read once. */
const STEPS: i32 = 16;

/**
 * Cells of `width` at each of `depth` steps, where a step is contiguous in memory (the operand's inner dimension is its
 * first axis): to[panel][step][width] = from[step][panel · width + …]. Beyond `count` stands what comes next in memory; it
 * counts in no result that is kept.
 */
@inline
function packSteps(width: i32, from: usize, stride: usize, to: usize, depth: i32, count: i32): void {
  for (let first = 0; first < depth; first += STEPS) {
    const steps = min(STEPS, depth - first);
    for (let start = 0; start < count; start += width) {
      let source = from + ((<usize>first * stride + start) << 2);
      let target = to + (<usize>(start * depth + first * width) << 2);
      for (let k = 0; k < steps; k++) {
        copyCells(width, source, target);
        source += stride << 2;
        target += width << 2;
      }
    }
  }
}

@inline
function copyCells(count: i32, from: usize, to: usize): void {
  const first = v128.load(from);
  if (count === 6) {
    store<u64>(to, load<u64>(from, 16), 16);
    v128.store(to, first);
    return;
  }
  const second = v128.load(from, 16);
  storePair(to, first, second);
  if (count === 16) copyCells(8, from + 32, to + 32);
}

/** Panels of a tile's columns of a row-major [inner, columns] operand. */
export function packColumns(from: usize, stride: usize, to: usize, depth: i32, columns: i32): void {
  const wide = wideColumns(columns);
  packSteps(16, from, stride, to, depth, wide);
  packSteps(8, from + (<usize>wide << 2), stride, to + (<usize>(wide * depth) << 2), depth, columns - wide);
}

/** Panels of 6 rows of an operand that is stored as [inner, rows]. */
export function packRows(from: usize, stride: usize, to: usize, depth: i32, rows: i32): void {
  packSteps(6, from, stride, to, depth, rows);
}

/** Panels of a tile's columns of an operand stored as [columns, inner]; beyond the last one that one stands again. */
export function packAcross(from: usize, stride: usize, to: usize, depth: i32, columns: i32): void {
  const step = stride << 2;
  for (let start = 0; start < columns; ) {
    const tile = panelColumns(columns - start);
    const left = columns - start - 1;
    const source = from + <usize>start * step;
    for (let row = 0; row < tile; row += 4) {
      const r0 = source + step * min(row, left);
      const r1 = source + step * min(row + 1, left);
      const r2 = source + step * min(row + 2, left);
      const r3 = source + step * min(row + 3, left);
      packFour(r0, r1, r2, r3, to + (<usize>row << 2), tile << 2, depth);
    }
    to += <usize>(depth * tile) << 2;
    start += tile;
  }
}

/** Four rows become four columns, `step` bytes from one cell to the next. */
function packFour(r0: usize, r1: usize, r2: usize, r3: usize, to: usize, step: usize, depth: i32): void {
  let k = 0;
  for (; k + 4 <= depth; k += 4) {
    const a = v128.load(r0);
    const b = v128.load(r1);
    const c = v128.load(r2);
    const d = v128.load(r3);
    const ab = v128.shuffle<f32>(a, b, 0, 4, 1, 5);
    const cd = v128.shuffle<f32>(c, d, 0, 4, 1, 5);
    const AB = v128.shuffle<f32>(a, b, 2, 6, 3, 7);
    const CD = v128.shuffle<f32>(c, d, 2, 6, 3, 7);
    v128.store(to, v128.shuffle<f32>(ab, cd, 0, 1, 4, 5));
    v128.store(to + step, v128.shuffle<f32>(ab, cd, 2, 3, 6, 7));
    v128.store(to + step * 2, v128.shuffle<f32>(AB, CD, 0, 1, 4, 5));
    v128.store(to + step * 3, v128.shuffle<f32>(AB, CD, 2, 3, 6, 7));
    r0 += 16;
    r1 += 16;
    r2 += 16;
    r3 += 16;
    to += step << 2;
  }
  for (; k < depth; k++) {
    store<u32>(to, load<u32>(r0));
    store<u32>(to, load<u32>(r1), 4);
    store<u32>(to, load<u32>(r2), 8);
    store<u32>(to, load<u32>(r3), 12);
    r0 += 4;
    r1 += 4;
    r2 += 4;
    r3 += 4;
    to += step;
  }
}
