// Layer normalisation over rows: x̂ = (x − μ) / √(σ² + ε) with σ² the mean of squared deviations.
//
// Each pass goes over all rows of a tile before the next one does: what it finds out of a row, its mean for example, is
// then there long before it is used, and no row waits for the additions that came just before.

import {
  address,
  fillCells,
  float,
  int,
  lanes,
  loadLanes,
  madd,
  scratch,
  storeLanes,
  storePair,
  sumLanes,
  sumOfTwo,
  ZEROS,
} from "./job";

const OUT = 0;
const X = 1;
const WEIGHT = 2;
const BIAS = 3; // the gradient, in the backward kernels
const ADDEND = 4; // of the gradient of x, or 0
const ROWS = 5;
const LENGTH = 6;
const TILE_ROWS = 7;
const EPS = 8;
/** Sums over the rows of each tile, [tiles, length], for the gradients of weight and bias. */
const WEIGHT_PARTS = 9;
const BIAS_PARTS = 10;

/** The tile: its first row, how many there are, how long they are. */
let first: i32 = 0;
let rows: i32 = 0;
let length: i32 = 0;
/** Bytes of a row. */
let bytes: usize = 0;
/** A number of each row in scratch: μ, 1 / √(σ² + ε), and two means of the backward kernel. */
let means: usize = 0;
let scales: usize = 0;
let gradMeans: usize = 0;
let alongMeans: usize = 0;

/** Finds the tile and measures its rows. */
function begin(tile: i32): void {
  length = int(LENGTH);
  first = tile * int(TILE_ROWS);
  rows = min(int(ROWS), first + int(TILE_ROWS)) - first;
  bytes = <usize>length << 2;
  const size = <usize>rows << 2;
  means = scratch + 64;
  scales = means + size;
  gradMeans = scales + size;
  alongMeans = gradMeans + size;
  const x = rowOf(X);
  for (let row = 0; row < rows; row++) store<f32>(means + (<usize>row << 2), meanOf(x + row * bytes));
  for (let row = 0; row < rows; row++) {
    const at = <usize>row << 2;
    const variance = varianceOf(x + row * bytes, v128.load32_splat(means + at));
    store<f32>(scales + at, inverseRoot(variance + float(EPS)));
  }
}

/** 1 / √x. V8 has the root of a vector in the newer instructions only: see `upperHalvesCleaner` of the host. */
@inline
function inverseRoot(x: f32): f32 {
  return 1 / f32x4.extract_lane(f32x4.sqrt(f32x4.splat(x)), 0);
}

/** Where the tile's first row begins in an operand. */
@inline
function rowOf(operand: i32): usize {
  return address(operand) + first * bytes;
}

/** A row's number in all lanes. */
@inline
function numberOf(numbers: usize, row: i32): v128 {
  return v128.load32_splat(numbers + (<usize>row << 2));
}

/** Two sums at once: each addition would wait for the one before it. */
@inline
function meanOf(x: usize): f32 {
  let even = v128.load(ZEROS);
  let odd = v128.load(ZEROS, 16);
  let i = length;
  for (; i >= 8; i -= 8) {
    even = f32x4.add(even, v128.load(x));
    odd = f32x4.add(odd, v128.load(x, 16));
    x += 32;
  }
  let sum = sumOfTwo(even, odd);
  for (; i > 0; i -= 4) {
    sum = f32x4.add(sum, loadLanes(x, i, f32x4.splat(0)));
    x += 16;
  }
  return sumLanes(sum) / <f32>length;
}

@inline
function varianceOf(x: usize, mean: v128): f32 {
  let even = v128.load(ZEROS);
  let odd = v128.load(ZEROS, 16);
  let i = length;
  for (; i >= 8; i -= 8) {
    const left = f32x4.sub(v128.load(x), mean);
    const right = f32x4.sub(v128.load(x, 16), mean);
    even = madd(left, left, even);
    odd = madd(right, right, odd);
    x += 32;
  }
  let sum = sumOfTwo(even, odd);
  for (; i > 0; i -= 4) {
    const deviation = f32x4.sub(loadLanes(x, i, mean), mean);
    sum = madd(deviation, deviation, sum);
    x += 16;
  }
  return sumLanes(sum) / <f32>length;
}

/** x̂ of four cells. */
@inline
function standardized(x: usize, mean: v128, scale: v128): v128 {
  return f32x4.mul(f32x4.sub(v128.load(x), mean), scale);
}

export function layerNormTile(tile: i32): void {
  begin(tile);
  for (let row = 0; row < rows; row++)
    normalizeRow(rowOf(X) + row * bytes, rowOf(OUT) + row * bytes, numberOf(means, row), numberOf(scales, row));
}

@inline
function normalizeRow(x: usize, out: usize, mean: v128, scale: v128): void {
  let weight = address(WEIGHT);
  let bias = address(BIAS);
  let i = length;
  for (; i >= 8; i -= 8) {
    const left = madd(standardized(x, mean, scale), v128.load(weight), v128.load(bias));
    const right = madd(standardized(x + 16, mean, scale), v128.load(weight, 16), v128.load(bias, 16));
    storePair(out, left, right);
    x += 32;
    out += 32;
    weight += 32;
    bias += 32;
  }
  for (; i > 0; i -= 4) {
    storeLanes(out, madd(standardized(x, mean, scale), v128.load(weight), v128.load(bias)), i);
    x += 16;
    out += 16;
    weight += 16;
    bias += 16;
  }
}

/**
 * x̄ = (g − mean(g) − x̂ mean(g ∘ x̂)) / √(σ² + ε) with g = ȳ ∘ weight, and the addend; Σ ȳ ∘ x̂ and Σ ȳ over the tile's
 * rows: the host adds those of the tiles in order.
 */
export function layerNormBackwardTile(tile: i32): void {
  begin(tile);
  const weight = address(WEIGHT_PARTS) + tile * bytes;
  const bias = address(BIAS_PARTS) + tile * bytes;
  fillCells(weight, length, f32x4.splat(0));
  fillCells(bias, length, f32x4.splat(0));
  for (let row = 0; row < rows; row++) findGradMeans(row);
  for (let row = 0; row < rows; row++) backwardRow(row, weight, bias);
}

function findGradMeans(row: i32): void {
  const x = rowOf(X) + row * bytes;
  const toWeight = address(WEIGHT) - x;
  const toGrad = rowOf(BIAS) + row * bytes - x;
  const mean = numberOf(means, row);
  const scale = numberOf(scales, row);
  const whole = length & ~7;
  const end = x + (<usize>whole << 2);
  let even = v128.load(ZEROS);
  let odd = v128.load(ZEROS, 16);
  let alongEven = v128.load(ZEROS);
  let alongOdd = v128.load(ZEROS, 16);
  for (let at = x; at < end; at += 32) {
    const left = f32x4.mul(v128.load(at + toGrad), v128.load(at + toWeight));
    const right = f32x4.mul(v128.load(at + toGrad, 16), v128.load(at + toWeight, 16));
    even = f32x4.add(even, left);
    odd = f32x4.add(odd, right);
    alongEven = madd(left, standardized(at, mean, scale), alongEven);
    alongOdd = madd(right, standardized(at + 16, mean, scale), alongOdd);
  }
  let sum = sumOfTwo(even, odd);
  let alongX = sumOfTwo(alongEven, alongOdd);
  for (let at = end, i = length - whole; i > 0; i -= 4) {
    const mask = lanes(i);
    const g = v128.and(f32x4.mul(v128.load(at + toGrad), v128.load(at + toWeight)), mask);
    sum = f32x4.add(sum, g);
    alongX = madd(g, v128.and(standardized(at, mean, scale), mask), alongX);
    at += 16;
  }
  store<f32>(gradMeans + (<usize>row << 2), sumLanes(sum) / <f32>length);
  store<f32>(alongMeans + (<usize>row << 2), sumLanes(alongX) / <f32>length);
}

function backwardRow(row: i32, weightSum: usize, biasSum: usize): void {
  const mean = numberOf(means, row);
  const scale = numberOf(scales, row);
  const gradMean = numberOf(gradMeans, row);
  const alongMean = numberOf(alongMeans, row);
  const out = rowOf(OUT) + row * bytes;
  const toX = rowOf(X) + row * bytes - out;
  const toGrad = rowOf(BIAS) + row * bytes - out;
  const toWeight = address(WEIGHT) - out;
  const toWeightSum = weightSum - out;
  const toBiasSum = biasSum - out;
  const hasAddend = address(ADDEND) !== 0;
  let addend = hasAddend ? rowOf(ADDEND) + row * bytes : ZEROS;
  const step: usize = hasAddend ? 16 : 0;
  let at = out;
  let i = length;
  for (; i >= 8; i -= 8) {
    const y0 = v128.load(at + toGrad);
    const y1 = v128.load(at + toGrad, 16);
    const x0 = standardized(at + toX, mean, scale);
    const x1 = standardized(at + toX + 16, mean, scale);
    const left = backwardCells(x0, f32x4.mul(y0, v128.load(at + toWeight)), scale, gradMean, alongMean);
    const right = backwardCells(x1, f32x4.mul(y1, v128.load(at + toWeight, 16)), scale, gradMean, alongMean);
    const w0 = madd(y0, x0, v128.load(at + toWeightSum));
    const w1 = madd(y1, x1, v128.load(at + toWeightSum, 16));
    const b0 = f32x4.add(y0, v128.load(at + toBiasSum));
    const b1 = f32x4.add(y1, v128.load(at + toBiasSum, 16));
    storePair(at, f32x4.add(left, v128.load(addend)), f32x4.add(right, v128.load(addend, 16)));
    storePair(at + toWeightSum, w0, w1);
    storePair(at + toBiasSum, b0, b1);
    at += 32;
    addend += step << 1;
  }
  for (; i > 0; i -= 4) {
    const y = v128.load(at + toGrad);
    const x = standardized(at + toX, mean, scale);
    const share = backwardCells(x, f32x4.mul(y, v128.load(at + toWeight)), scale, gradMean, alongMean);
    storeLanes(at, f32x4.add(share, v128.load(addend)), i);
    storeLanes(at + toWeightSum, madd(y, x, v128.load(at + toWeightSum)), i);
    storeLanes(at + toBiasSum, f32x4.add(y, v128.load(at + toBiasSum)), i);
    at += 16;
    addend += step;
  }
}

/** (g − mean of g − x̂ · mean of g ∘ x̂) / σ, with g = ȳ ∘ weight. */
@inline
function backwardCells(x: v128, g: v128, scale: v128, gradMean: v128, alongMean: v128): v128 {
  return f32x4.mul(f32x4.sub(f32x4.sub(g, gradMean), f32x4.mul(x, alongMean)), scale);
}
