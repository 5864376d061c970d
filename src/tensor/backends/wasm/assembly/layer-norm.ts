// Layer normalisation over rows: x̂ = (x − μ) / √(σ² + ε) with σ² the mean of squared deviations.

import { address, float, int, lanes, loadLanes, madd, storeLanes, sumLanes, sumOfTwo, ZEROS } from "./job";

const OUT = 0;
const X = 1;
const WEIGHT = 2;
const BIAS = 3; // the gradient, in the backward kernels
const ROWS = 5;
const LENGTH = 6;
const TILE_ROWS = 7;
const EPS = 8;

let mean: f32 = 0;
/** 1 / √(σ² + ε). */
let scale: f32 = 0;

@inline
function lastRow(tile: i32): i32 {
  return min(int(ROWS), (tile + 1) * int(TILE_ROWS));
}

/** Sets `mean` and `scale` to those of a row. Two sums at once: each addition would wait for the one before it. */
function measure(x: usize, length: i32): void {
  const zero = f32x4.splat(0);
  let even = zero;
  let odd = zero;
  let at = x;
  let i = length;
  for (; i >= 8; i -= 8) {
    even = f32x4.add(even, v128.load(at));
    odd = f32x4.add(odd, v128.load(at, 16));
    at += 32;
  }
  for (; i > 0; i -= 4) {
    even = f32x4.add(even, loadLanes(at, i, zero));
    at += 16;
  }
  mean = sumLanes(f32x4.add(even, odd)) / <f32>length;
  const middle = f32x4.splat(mean);
  even = zero;
  odd = zero;
  at = x;
  for (i = length; i >= 8; i -= 8) {
    const left = f32x4.sub(v128.load(at), middle);
    const right = f32x4.sub(v128.load(at, 16), middle);
    even = madd(left, left, even);
    odd = madd(right, right, odd);
    at += 32;
  }
  for (; i > 0; i -= 4) {
    const deviation = f32x4.sub(loadLanes(at, i, middle), middle);
    even = madd(deviation, deviation, even);
    at += 16;
  }
  scale = 1 / sqrt<f32>(sumLanes(f32x4.add(even, odd)) / <f32>length + float(EPS));
}

/** x̂ of four cells. */
@inline
function standardized(x: usize): v128 {
  return f32x4.mul(f32x4.sub(v128.load(x), f32x4.splat(mean)), f32x4.splat(scale));
}

export function layerNormTile(tile: i32): void {
  const length = int(LENGTH);
  for (let row = tile * int(TILE_ROWS), last = lastRow(tile); row < last; row++) {
    let x = address(X) + (<usize>(row * length) << 2);
    let out = address(OUT) + (<usize>(row * length) << 2);
    let weight = address(WEIGHT);
    let bias = address(BIAS);
    measure(x, length);
    let i = length;
    for (; i >= 8; i -= 8) {
      const left = madd(standardized(x), v128.load(weight), v128.load(bias));
      const right = madd(standardized(x + 16), v128.load(weight, 16), v128.load(bias, 16));
      v128.store(out, left);
      v128.store(out, right, 16);
      x += 32;
      out += 32;
      weight += 32;
      bias += 32;
    }
    for (; i > 0; i -= 4) {
      storeLanes(out, madd(standardized(x), v128.load(weight), v128.load(bias)), i);
      x += 16;
      out += 16;
      weight += 16;
      bias += 16;
    }
  }
}

/** x̄ = (g − mean(g) − x̂ mean(g ∘ x̂)) / √(σ² + ε) with g = ȳ ∘ weight. */
export function layerNormBackwardTile(tile: i32): void {
  const length = int(LENGTH);
  for (let row = tile * int(TILE_ROWS), last = lastRow(tile); row < last; row++) {
    const at = <usize>(row * length) << 2;
    measure(address(X) + at, length);
    backwardRow(address(X) + at, address(WEIGHT), address(BIAS) + at, address(OUT) + at, length);
  }
}

function backwardRow(x: usize, weight: usize, grad: usize, out: usize, length: i32): void {
  const whole = length & ~7;
  const end = x + (<usize>whole << 2);
  const toWeight = weight - x;
  const toGrad = grad - x;
  let even = v128.load(ZEROS);
  let odd = v128.load(ZEROS, 16);
  let alongEven = v128.load(ZEROS);
  let alongOdd = v128.load(ZEROS, 16);
  for (let at = x; at < end; at += 32) {
    const left = f32x4.mul(v128.load(at + toGrad), v128.load(at + toWeight));
    const right = f32x4.mul(v128.load(at + toGrad, 16), v128.load(at + toWeight, 16));
    even = f32x4.add(even, left);
    odd = f32x4.add(odd, right);
    alongEven = madd(left, standardized(at), alongEven);
    alongOdd = madd(right, standardized(at + 16), alongOdd);
  }
  let sum = sumOfTwo(even, odd);
  let alongX = sumOfTwo(alongEven, alongOdd);
  for (let at = end, i = length - whole; i > 0; i -= 4) {
    const mask = lanes(i);
    const g = v128.and(f32x4.mul(v128.load(at + toGrad), v128.load(at + toWeight)), mask);
    sum = f32x4.add(sum, g);
    alongX = madd(g, v128.and(standardized(at), mask), alongX);
    at += 16;
  }
  const meanG = f32x4.splat(sumLanes(sum) / <f32>length);
  const meanAlong = f32x4.splat(sumLanes(alongX) / <f32>length);
  let i = length;
  for (; i >= 8; i -= 8) {
    const left = backwardCells(x, weight, grad, meanG, meanAlong);
    const right = backwardCells(x + 16, weight + 16, grad + 16, meanG, meanAlong);
    v128.store(out, left);
    v128.store(out, right, 16);
    x += 32;
    weight += 32;
    grad += 32;
    out += 32;
  }
  for (; i > 0; i -= 4) {
    storeLanes(out, backwardCells(x, weight, grad, meanG, meanAlong), i);
    x += 16;
    weight += 16;
    grad += 16;
    out += 16;
  }
}

@inline
function backwardCells(x: usize, weight: usize, grad: usize, meanG: v128, meanAlong: v128): v128 {
  const g = f32x4.mul(v128.load(grad), v128.load(weight));
  const rest = f32x4.sub(f32x4.sub(g, meanG), f32x4.mul(standardized(x), meanAlong));
  return f32x4.mul(rest, f32x4.splat(scale));
}

/** out[tile] = Σ over the tile's rows of ȳ ∘ x̂; the host adds the tiles in order. */
export function layerNormBackwardWeightTile(tile: i32): void {
  const length = int(LENGTH);
  const out = address(OUT) + (<usize>(tile * length) << 2);
  memory.fill(out, 0, <usize>length << 2);
  for (let row = tile * int(TILE_ROWS), last = lastRow(tile); row < last; row++) {
    const x = address(X) + (<usize>(row * length) << 2);
    const grad = address(BIAS) + (<usize>(row * length) << 2);
    measure(x, length);
    let i = 0;
    for (; i + 8 <= length; i += 8) {
      const at = <usize>i << 2;
      const left = weightCells(x + at, grad + at, out + at);
      const right = weightCells(x + at + 16, grad + at + 16, out + at + 16);
      v128.store(out + at, left);
      v128.store(out + at, right, 16);
    }
    for (; i < length; i += 4) {
      const at = <usize>i << 2;
      storeLanes(out + at, weightCells(x + at, grad + at, out + at), length - i);
    }
  }
}

@inline
function weightCells(x: usize, grad: usize, sum: usize): v128 {
  return madd(v128.load(grad), standardized(x), v128.load(sum));
}
