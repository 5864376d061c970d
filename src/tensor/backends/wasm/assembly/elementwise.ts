// Element-wise kernels. The host folds the axes into rows of `length` cells; in a row each operand either advances or
// stands still, and the outer axes say where each row begins. A standing operand is read from a splat in scratch, so
// one loop serves every pattern of broadcasting.

import { applyBinary, applyRareBinary } from "./binary";
import { address, int, scratch, storeCells, storeLanes, storePair } from "./job";
import { Binary, Unary } from "./kernel";
import { applyRareUnary, applyUnary } from "./unary";

const OUT = 0;
const IN = 1; // up to three operands
const OPERATION = 4;
const TOTAL = 5; // cells of the output
const LENGTH = 6; // of a row
const TILE_ROWS = 7;
const ADVANCE = 8; // 1 or 0 for each operand
const AXES = 11; // outer axes
const SIZES = 12; // the last axis first, with its steps for the three operands
const PER_AXIS = 4;
/** Where in scratch the last results of a row go: behind the operands that stand still. */
const LAST: usize = 128;

/** Where operand `n` begins in a row. */
// @ts-expect-error: decorator
@inline
function start(n: i32, row: i32): usize {
  let at = address(IN + n);
  for (let axis = 0, axes = int(AXES); axis < axes; axis++) {
    const size = int(SIZES + PER_AXIS * axis);
    at += <usize>((row % size) * int(SIZES + PER_AXIS * axis + 1 + n)) << 2;
    row /= size;
  }
  return at;
}

/** Bytes that operand `n` advances in four cells. */
// @ts-expect-error: decorator
@inline
function step(n: i32): usize {
  return <usize>int(ADVANCE + n) << 4;
}

/** The operand itself, or eight times its one cell. */
// @ts-expect-error: decorator
@inline
function operand(n: i32, at: usize): usize {
  if (int(ADVANCE + n)) return at;
  const splat = scratch + (<usize>n << 5);
  storePair(splat, v128.load32_splat(at), v128.load32_splat(at));
  return splat;
}

export function unaryTile(tile: i32): void {
  const length = int(LENGTH);
  const last = min(int(TOTAL), (tile + 1) * int(TILE_ROWS) * length);
  for (let cell = tile * int(TILE_ROWS) * length; cell < last; cell += length) {
    const at = start(0, cell / length);
    unaryRow(int(OPERATION), operand(0, at), step(0), address(OUT) + (<usize>cell << 2), min(length, last - cell));
  }
}

export function binaryTile(tile: i32): void {
  const length = int(LENGTH);
  const last = min(int(TOTAL), (tile + 1) * int(TILE_ROWS) * length);
  for (let cell = tile * int(TILE_ROWS) * length; cell < last; cell += length) {
    const row = cell / length;
    const x = operand(0, start(0, row));
    const y = operand(1, start(1, row));
    binaryRow(int(OPERATION), x, step(0), y, step(1), address(OUT) + (<usize>cell << 2), min(length, last - cell));
  }
}

export function whereTile(tile: i32): void {
  const length = int(LENGTH);
  const last = min(int(TOTAL), (tile + 1) * int(TILE_ROWS) * length);
  for (let cell = tile * int(TILE_ROWS) * length; cell < last; cell += length) {
    const row = cell / length;
    let condition = operand(0, start(0, row));
    let x = operand(1, start(1, row));
    let y = operand(2, start(2, row));
    let out = address(OUT) + (<usize>cell << 2);
    for (let n = min(length, last - cell); n > 0; n -= 4) {
      const isZero = i32x4.eq(v128.load(condition), i32x4.splat(0));
      storeLanes(out, v128.bitselect(v128.load(y), v128.load(x), isZero), n);
      condition += step(0);
      x += step(1);
      y += step(2);
      out += 16;
    }
  }
}

// Two vectors at once, nothing stored before all is loaded, constants too: some engines join them into one of 256 bits.
// The last cells, where they are fewer than eight, go through the same loop once more, into scratch; what stands behind
// the operands is read then, and not used.

// @ts-expect-error: decorator
@inline
function unaryLoop(operation: i32, x: usize, step: usize, out: usize, n: i32): void {
  const rest = n & 7;
  const last = out + (<usize>(n - rest) << 2);
  for (n -= rest; ; n = 8) {
    for (; n > 0; n -= 8) {
      const x0 = v128.load(x);
      const x1 = v128.load(x, 16);
      const y0 = applyUnary(operation, x0);
      const y1 = applyUnary(operation, x1);
      storePair(out, y0, y1);
      x += step << 1;
      out += 32;
    }
    if (out !== last) return storeLast(last, rest);
    if (rest === 0) return;
    out = scratch + LAST;
  }
}

// @ts-expect-error: decorator
@inline
function binaryLoop(operation: i32, x: usize, xStep: usize, y: usize, yStep: usize, out: usize, n: i32): void {
  const rest = n & 7;
  const last = out + (<usize>(n - rest) << 2);
  for (n -= rest; ; n = 8) {
    for (; n > 0; n -= 8) {
      const x0 = v128.load(x);
      const x1 = v128.load(x, 16);
      const y0 = v128.load(y);
      const y1 = v128.load(y, 16);
      const z0 = applyBinary(operation, x0, y0);
      const z1 = applyBinary(operation, x1, y1);
      storePair(out, z0, z1);
      x += xStep << 1;
      y += yStep << 1;
      out += 32;
    }
    if (out !== last) return storeLast(last, rest);
    if (rest === 0) return;
    out = scratch + LAST;
  }
}

/** The last `count` results, 1 to 7, out of scratch. */
function storeLast(out: usize, count: i32): void {
  const from = scratch + LAST;
  storeCells(out, v128.load(from), v128.load(from, 16), count);
}

// What is long or frequent has a function by itself: where the compiler shares a loop among the cases of a switch, it
// chooses between them in each turn, and no vectors are joined. The others choose so in a short loop, a vector at a time: the
// size of the module counts more than their time, and newer compilers fail to join two conversions to integers.

function negRow(x: usize, step: usize, out: usize, n: i32): void {
  unaryLoop(Unary.neg, x, step, out, n);
}

function absRow(x: usize, step: usize, out: usize, n: i32): void {
  unaryLoop(Unary.abs, x, step, out, n);
}

function sqrtRow(x: usize, step: usize, out: usize, n: i32): void {
  unaryLoop(Unary.sqrt, x, step, out, n);
}

function expRow(x: usize, step: usize, out: usize, n: i32): void {
  unaryLoop(Unary.exp, x, step, out, n);
}

function tanhRow(x: usize, step: usize, out: usize, n: i32): void {
  unaryLoop(Unary.tanh, x, step, out, n);
}

function logRow(x: usize, step: usize, out: usize, n: i32): void {
  unaryLoop(Unary.log, x, step, out, n);
}

function sigmoidRow(x: usize, step: usize, out: usize, n: i32): void {
  unaryLoop(Unary.sigmoid, x, step, out, n);
}

function erfRow(x: usize, step: usize, out: usize, n: i32): void {
  unaryLoop(Unary.erf, x, step, out, n);
}

function geluRow(x: usize, step: usize, out: usize, n: i32): void {
  unaryLoop(Unary.gelu, x, step, out, n);
}

function copyRow(x: usize, step: usize, out: usize, n: i32): void {
  unaryLoop(Unary.copy, x, step, out, n);
}

function toFloatRow(x: usize, step: usize, out: usize, n: i32): void {
  unaryLoop(Unary.toFloat, x, step, out, n);
}

function rareUnaryRow(operation: i32, x: usize, step: usize, out: usize, n: i32): void {
  for (; n > 0; n -= 4) {
    storeLanes(out, applyRareUnary(operation, v128.load(x)), n);
    x += step;
    out += 16;
  }
}

function addRow(x: usize, xStep: usize, y: usize, yStep: usize, out: usize, n: i32): void {
  binaryLoop(Binary.add, x, xStep, y, yStep, out, n);
}

function subRow(x: usize, xStep: usize, y: usize, yStep: usize, out: usize, n: i32): void {
  binaryLoop(Binary.sub, x, xStep, y, yStep, out, n);
}

function mulRow(x: usize, xStep: usize, y: usize, yStep: usize, out: usize, n: i32): void {
  binaryLoop(Binary.mul, x, xStep, y, yStep, out, n);
}

function divRow(x: usize, xStep: usize, y: usize, yStep: usize, out: usize, n: i32): void {
  binaryLoop(Binary.div, x, xStep, y, yStep, out, n);
}

function geluBackwardRow(x: usize, xStep: usize, y: usize, yStep: usize, out: usize, n: i32): void {
  binaryLoop(Binary.geluBackward, x, xStep, y, yStep, out, n);
}

function rareBinaryRow(operation: i32, x: usize, xStep: usize, y: usize, yStep: usize, out: usize, n: i32): void {
  for (; n > 0; n -= 4) {
    storeLanes(out, applyRareBinary(operation, v128.load(x), v128.load(y)), n);
    x += xStep;
    y += yStep;
    out += 16;
  }
}

function unaryRow(operation: i32, x: usize, step: usize, out: usize, n: i32): void {
  switch (operation) {
    case Unary.neg:
      return negRow(x, step, out, n);
    case Unary.abs:
      return absRow(x, step, out, n);
    case Unary.sqrt:
      return sqrtRow(x, step, out, n);
    case Unary.exp:
      return expRow(x, step, out, n);
    case Unary.tanh:
      return tanhRow(x, step, out, n);
    case Unary.log:
      return logRow(x, step, out, n);
    case Unary.sigmoid:
      return sigmoidRow(x, step, out, n);
    case Unary.erf:
      return erfRow(x, step, out, n);
    case Unary.gelu:
      return geluRow(x, step, out, n);
    case Unary.copy:
      return copyRow(x, step, out, n);
    case Unary.toFloat:
      return toFloatRow(x, step, out, n);
    default:
      return rareUnaryRow(operation, x, step, out, n);
  }
}

function binaryRow(operation: i32, x: usize, xStep: usize, y: usize, yStep: usize, out: usize, n: i32): void {
  switch (operation) {
    case Binary.add:
      return addRow(x, xStep, y, yStep, out, n);
    case Binary.sub:
      return subRow(x, xStep, y, yStep, out, n);
    case Binary.mul:
      return mulRow(x, xStep, y, yStep, out, n);
    case Binary.div:
      return divRow(x, xStep, y, yStep, out, n);
    case Binary.geluBackward:
      return geluBackwardRow(x, xStep, y, yStep, out, n);
    default:
      return rareBinaryRow(operation, x, xStep, y, yStep, out, n);
  }
}
