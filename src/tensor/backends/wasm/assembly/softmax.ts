// Softmax over rows of `length` cells, and its relatives.

import { address, int, loadLanes, maxLanes, storeLanes, sumLanes } from "./job";
import { expOfNegative, log } from "./mathematics";

const OUT = 0;
const X = 1;
const GRAD = 2;
const ROWS = 5;
const LENGTH = 6;
const TILE_ROWS = 7;

@inline
function lastRow(tile: i32): i32 {
  return min(int(ROWS), (tile + 1) * int(TILE_ROWS));
}

/** max over a row; passes over NaN, which the exponentials bring back. */
export function rowMax(x: usize, length: i32): f32 {
  const lowest = f32x4.splat(-Infinity);
  let largest = lowest;
  for (let i = length; i > 0; i -= 4) {
    largest = f32x4.pmax(largest, loadLanes(x, i, lowest));
    x += 16;
  }
  return maxLanes(largest);
}

/** out = e^(x − shift) over a row; answers the sum. */
export function expRow(x: usize, out: usize, length: i32, shift: f32): f32 {
  const low = f32x4.splat(shift);
  let sum = f32x4.splat(0);
  for (let i = length; i > 0; i -= 4) {
    const e = expOfNegative(f32x4.sub(loadLanes(x, i, f32x4.splat(-Infinity)), low));
    storeLanes(out, e, i);
    sum = f32x4.add(sum, e);
    x += 16;
    out += 16;
  }
  return sumLanes(sum);
}

/** Multiplies a row in place. */
export function scaleRow(x: usize, length: i32, factor: f32): void {
  for (let i = length; i > 0; i -= 4) {
    storeLanes(x, f32x4.mul(v128.load(x), f32x4.splat(factor)), i);
    x += 16;
  }
}

/** ln Σ e^(x − shift) over a row. */
export function logSumExp(x: usize, length: i32, shift: f32): f32 {
  const low = f32x4.splat(shift);
  let sum = f32x4.splat(0);
  for (let i = length; i > 0; i -= 4) {
    sum = f32x4.add(sum, expOfNegative(f32x4.sub(loadLanes(x, i, f32x4.splat(-Infinity)), low)));
    x += 16;
  }
  return f32x4.extract_lane(log(f32x4.splat(sumLanes(sum))), 0);
}

/** Σ a b over a row. */
export function dotRow(a: usize, b: usize, length: i32): f32 {
  let sum = f32x4.splat(0);
  for (let i = length; i > 0; i -= 4) {
    sum = f32x4.add(sum, f32x4.mul(loadLanes(a, i, f32x4.splat(0)), loadLanes(b, i, f32x4.splat(0))));
    a += 16;
    b += 16;
  }
  return sumLanes(sum);
}

export function softmaxTile(tile: i32): void {
  const length = int(LENGTH);
  for (let row = tile * int(TILE_ROWS), last = lastRow(tile); row < last; row++) {
    const at = <usize>(row * length) << 2;
    const x = address(X) + at;
    const out = address(OUT) + at;
    scaleRow(out, length, 1 / expRow(x, out, length, rowMax(x, length)));
  }
}

/** x̄ = y ∘ (ȳ − Σ ȳ ∘ y). */
export function softmaxBackwardTile(tile: i32): void {
  const length = int(LENGTH);
  for (let row = tile * int(TILE_ROWS), last = lastRow(tile); row < last; row++) {
    const at = <usize>(row * length) << 2;
    let y = address(X) + at;
    let grad = address(GRAD) + at;
    let out = address(OUT) + at;
    const dot = f32x4.splat(dotRow(y, grad, length));
    for (let i = length; i > 0; i -= 4) {
      storeLanes(out, f32x4.mul(v128.load(y), f32x4.sub(v128.load(grad), dot)), i);
      y += 16;
      grad += 16;
      out += 16;
    }
  }
}

/** (x − max) − ln Σ e^(x − max), in this order: of large logits, the differences are exact and the sums are not. */
export function logSoftmaxTile(tile: i32): void {
  const length = int(LENGTH);
  for (let row = tile * int(TILE_ROWS), last = lastRow(tile); row < last; row++) {
    const at = <usize>(row * length) << 2;
    let x = address(X) + at;
    let out = address(OUT) + at;
    const largest = rowMax(x, length);
    const shift = f32x4.splat(largest);
    const logSum = f32x4.splat(logSumExp(x, length, largest));
    for (let i = length; i > 0; i -= 4) {
      storeLanes(out, f32x4.sub(f32x4.sub(v128.load(x), shift), logSum), i);
      x += 16;
      out += 16;
    }
  }
}
