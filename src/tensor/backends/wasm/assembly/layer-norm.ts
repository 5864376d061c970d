// Layer normalisation over rows: x̂ = (x − μ) / √(σ² + ε) with σ² the mean of squared deviations.

import { address, float, int, lanes, loadLanes, madd, storeLanes, sumLanes } from "./job";

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

/** Sets `mean` and `scale` to those of a row. */
function measure(x: usize, length: i32): void {
  const zero = f32x4.splat(0);
  let sum = zero;
  let at = x;
  for (let i = length; i > 0; i -= 4) {
    sum = f32x4.add(sum, loadLanes(at, i, zero));
    at += 16;
  }
  mean = sumLanes(sum) / <f32>length;
  const middle = f32x4.splat(mean);
  sum = zero;
  at = x;
  for (let i = length; i > 0; i -= 4) {
    const deviation = f32x4.sub(loadLanes(at, i, middle), middle);
    sum = madd(deviation, deviation, sum);
    at += 16;
  }
  scale = 1 / sqrt<f32>(sumLanes(sum) / <f32>length + float(EPS));
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
    for (let i = length; i > 0; i -= 4) {
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
  let sum = f32x4.splat(0);
  let alongX = f32x4.splat(0);
  for (let i = 0; i < length; i += 4) {
    const at = <usize>i << 2;
    const whole = f32x4.mul(v128.load(grad + at), v128.load(weight + at));
    const g = length - i >= 4 ? whole : v128.and(whole, lanes(length - i));
    const xHat = length - i >= 4 ? standardized(x + at) : v128.and(standardized(x + at), lanes(length - i));
    sum = f32x4.add(sum, g);
    alongX = madd(g, xHat, alongX);
  }
  const meanG = f32x4.splat(sumLanes(sum) / <f32>length);
  const meanAlong = f32x4.splat(sumLanes(alongX) / <f32>length);
  for (let i = 0; i < length; i += 4) {
    const at = <usize>i << 2;
    const g = f32x4.mul(v128.load(grad + at), v128.load(weight + at));
    const rest = f32x4.sub(f32x4.sub(g, meanG), f32x4.mul(standardized(x + at), meanAlong));
    storeLanes(out + at, f32x4.mul(rest, f32x4.splat(scale)), length - i);
  }
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
    for (let i = 0; i < length; i += 4) {
      const at = <usize>i << 2;
      storeLanes(out + at, madd(v128.load(grad + at), standardized(x + at), v128.load(out + at)), length - i);
    }
  }
}
