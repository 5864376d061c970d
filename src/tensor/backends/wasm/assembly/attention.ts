// Multi-head attention on packed projections qkv [B, N, 3d]; see `attention` in autograd/functions. A tile is one head of a
// sample, or all of them. The N × N weights live in this thread's scratch only, and the backward kernel computes them again.
// The products are those of matmul: register tiles over packed panels.

import {
  address,
  fillCells,
  float,
  int,
  lanes,
  maxLanes,
  maxOfTwo,
  scratch,
  storePair,
  sumLanes,
  sumOfTwo,
  touch,
  ZEROS,
} from "./job";
import { exp2OfNegative } from "./mathematics";
import { packAcross, packColumns } from "./pack";
import { downPanel, TILE_BYTES, tileColumns } from "./register-tile";
import { dotRow } from "./softmax";

const GRAD_QKV = 0; // or the output of the forward kernel
const QKV = 1;
const OUT = 2;
const GRAD = 3;
const MASK = 4; // int32 [B, N] or 0
const N = 5;
const HEADS = 6;
const HEAD_SIZE = 7;
const SCALE = 8; // 1 / √dh
const QUERIES = 9; // the first of N
const TILE_HEADS = 10; // 1, or all of a sample

/** Keys, rounded up to pairs of vectors, as panels are: the row length of the weights. */
let width: i32 = 0;
let limits: usize = 0;
let panels: usize = 0;
let weights: usize = 0;
let slopes: usize = 0;
let numbers: usize = 0;

/**
 * Lays out scratch: [width] the most that a key's scores may be, ∞, or −∞ if it does not count; panels; weights
 * [queries, width]; their gradient; a number of each row.
 */
function layOut(n: i32, queries: i32, size: i32): void {
  width = (n + 7) & ~7;
  limits = scratch + TILE_BYTES;
  panels = limits + (<usize>width << 2);
  weights = panels + (<usize>(width * ((size + 7) & ~7)) << 2);
  slopes = weights + (<usize>(queries * width) << 2);
  numbers = slopes + (<usize>(queries * width) << 2);
}

/** out[rows, columns] = a · the packed panels, or aᵀ · them, where rows of a have `lda` cells and those of out `ldc`. */
function timesPanels(
  isTransposed: bool,
  a: usize,
  lda: i32,
  depth: i32,
  out: usize,
  ldc: i32,
  rows: i32,
  columns: i32,
): void {
  const tile = tileColumns();
  const step = <usize>lda << 2;
  const next = isTransposed ? 24 : step * 6;
  const stride = <usize>ldc << 2;
  let panel = panels;
  for (let j = 0; j < columns; j += tile) {
    const count = min(tile, columns - j);
    downPanel(!isTransposed, a, step, next, panel, depth, rows, count, ZEROS, 0, out, stride, ZEROS, 0);
    panel += <usize>(depth * tile) << 2;
    out += <usize>tile << 2;
  }
}

/** weights = softmax(Q Kᵀ / √dh) without the excluded keys; 0 for a query that has none. */
function computeWeights(q: usize, stride: i32, sample: i32, n: i32, queries: i32, size: i32): void {
  const mask = address(MASK) ? address(MASK) + (<usize>(sample * n) << 2) : 0;
  let any = i32x4.splat(0);
  for (let j = 0; j < width; j += 4) {
    const at = <usize>j << 2;
    const isKey = lanes(n - j);
    const counts = mask === 0 ? isKey : v128.andnot(isKey, i32x4.eq(v128.load(mask + at), i32x4.splat(0)));
    v128.store(limits + at, v128.bitselect(f32x4.splat(Infinity), f32x4.splat(-Infinity), counts));
    any = v128.or(any, counts);
  }
  if (!v128.any_true(any)) {
    memory.fill(weights, 0, <usize>(queries * width) << 2);
    return;
  }
  packAcross(q + (<usize>(stride / 3) << 2), stride, panels, size, n);
  timesPanels(false, q, stride, size, weights, width, queries, width);
  softmaxRows(queries);
}

// The rows of weights are whole panels: two vectors at once, see elementwise.ts. Softmax takes three passes over all rows
// instead of three over each: what a row has to wait for, its maximum and its sum, is then there long before it is used.

/** −∞ for two vectors. */
const LOWEST = memory.data<f32>([
  -Infinity, -Infinity, -Infinity, -Infinity, -Infinity, -Infinity, -Infinity, -Infinity,
]);
/** 1 / ln 2. */
const POWERS: f32 = 1.44269504;

function softmaxRows(rows: i32): void {
  for (let i = 0; i < rows; i++) store<f32>(numbers + (<usize>i << 2), maxOfRow(weights + <usize>(i * width << 2)));
  const scale = f32x4.splat(float(SCALE) * POWERS);
  for (let i = 0; i < rows; i++) {
    const number = numbers + (<usize>i << 2);
    store<f32>(number, 1 / exponentials(weights + <usize>(i * width << 2), v128.load32_splat(number), scale));
  }
  for (let i = 0; i < rows; i++)
    scaleRow(weights + <usize>(i * width << 2), v128.load32_splat(numbers + (<usize>i << 2)));
}

/** The largest score of a key that counts; ∞ for NaN, which the exponentials bring back. */
@inline
function maxOfRow(row: usize): f32 {
  const end = row + (<usize>width << 2);
  const toLimits = limits - row;
  let largest0 = v128.load(LOWEST);
  let largest1 = v128.load(LOWEST, 16);
  for (let at = row; at < end; at += 32) {
    const x0 = f32x4.pmin(v128.load(at + toLimits), v128.load(at));
    const x1 = f32x4.pmin(v128.load(at + toLimits, 16), v128.load(at, 16));
    largest0 = f32x4.pmax(largest0, x0);
    largest1 = f32x4.pmax(largest1, x1);
  }
  return maxLanes(maxOfTwo(largest0, largest1));
}

/** e^((x − shift) / √dh) of the keys that count, 0 of the others, in place; answers the sum. */
@inline
function exponentials(row: usize, shift: v128, scale: v128): f32 {
  const end = row + (<usize>width << 2);
  const toLimits = limits - row;
  let sum0 = v128.load(ZEROS);
  let sum1 = v128.load(ZEROS, 16);
  for (let at = row; at < end; at += 32) {
    const x0 = f32x4.pmin(v128.load(at + toLimits), v128.load(at));
    const x1 = f32x4.pmin(v128.load(at + toLimits, 16), v128.load(at, 16));
    const e0 = exp2OfNegative(f32x4.mul(f32x4.sub(x0, shift), scale));
    const e1 = exp2OfNegative(f32x4.mul(f32x4.sub(x1, shift), scale));
    storePair(at, e0, e1);
    sum0 = f32x4.add(sum0, e0);
    sum1 = f32x4.add(sum1, e1);
  }
  return sumLanes(sumOfTwo(sum0, sum1));
}

@inline
function scaleRow(row: usize, factor: v128): void {
  const end = row + (<usize>width << 2);
  for (let at = row; at < end; at += 32) {
    const e0 = v128.load(at);
    const e1 = v128.load(at, 16);
    storePair(at, f32x4.mul(e0, factor), f32x4.mul(e1, factor));
  }
}

export function attentionTile(tile: i32): void {
  const heads = int(HEADS);
  const first = tile * int(TILE_HEADS);
  const sample = first / heads;
  if (int(TILE_HEADS) > 1) {
    touchRows(QKV, sample, int(N), 3);
    touchRows(GRAD_QKV, sample, int(QUERIES), 1);
  }
  for (let i = 0; i < int(TILE_HEADS); i++) attentionHead(sample, (first % heads) + i);
}

export function attentionBackwardTile(tile: i32): void {
  const heads = int(HEADS);
  const first = tile * int(TILE_HEADS);
  const sample = first / heads;
  if (int(TILE_HEADS) > 1) {
    touchRows(QKV, sample, int(N), 3);
    touchRows(OUT, sample, int(QUERIES), 1);
    touchRows(GRAD, sample, int(QUERIES), 1);
    touchRows(GRAD_QKV, sample, int(N), 3);
  }
  for (let i = 0; i < int(TILE_HEADS); i++) attentionBackwardHead(sample, (first % heads) + i);
}

/** A sample's rows of `parts` · d cells: a head reads and writes a piece of each, which processors do not foresee. */
function touchRows(operand: i32, sample: i32, rows: i32, parts: i32): void {
  const cells = rows * parts * int(HEADS) * int(HEAD_SIZE);
  touch(address(operand) + (<usize>(sample * cells) << 2), cells);
}

/** out = weights · V. */
function attentionHead(sample: i32, head: i32): void {
  const n = int(N);
  const queries = int(QUERIES);
  const size = int(HEAD_SIZE);
  const d = int(HEADS) * size;
  const q = address(QKV) + (<usize>(sample * n * 3 * d + head * size) << 2);
  layOut(n, queries, size);
  computeWeights(q, 3 * d, sample, n, queries, size);
  packColumns(q + (<usize>(2 * d) << 2), 3 * d, panels, n, size);
  const out = address(GRAD_QKV) + (<usize>(sample * queries * d + head * size) << 2);
  timesPanels(false, weights, width, n, out, d, queries, size);
}

/** With P the weights, D = rows of Σ Ō ∘ O, S̄ = P ∘ (Ō Vᵀ − D) / √dh:  Q̄ = S̄ K, K̄ = S̄ᵀ Q, V̄ = Pᵀ Ō. */
function attentionBackwardHead(sample: i32, head: i32): void {
  const n = int(N);
  const queries = int(QUERIES);
  const size = int(HEAD_SIZE);
  const d = int(HEADS) * size;
  const third = <usize>d << 2;
  const q = address(QKV) + (<usize>(sample * n * 3 * d + head * size) << 2);
  const gradQ = address(GRAD_QKV) + (<usize>(sample * n * 3 * d + head * size) << 2);
  const out = address(OUT) + (<usize>(sample * queries * d + head * size) << 2);
  const grad = address(GRAD) + (<usize>(sample * queries * d + head * size) << 2);
  layOut(n, queries, size);
  computeWeights(q, 3 * d, sample, n, queries, size);

  packAcross(q + 2 * third, 3 * d, panels, size, n);
  timesPanels(false, grad, d, size, slopes, width, queries, width);
  for (let i = 0; i < queries; i++) {
    const row = <usize>(i * width) << 2;
    slopesRow(weights + row, slopes + row, dotRow(grad + third * i, out + third * i, size));
  }
  packColumns(q + third, 3 * d, panels, n, size);
  timesPanels(false, slopes, width, n, gradQ, 3 * d, queries, size);
  for (let i = queries; i < n; i++) fillCells(gradQ + 3 * third * i, size, i32x4.splat(0));
  packColumns(q, 3 * d, panels, queries, size);
  timesPanels(true, slopes, width, queries, gradQ + third, 3 * d, n, size);
  packColumns(grad, d, panels, queries, size);
  timesPanels(true, weights, width, queries, gradQ + 2 * third, 3 * d, n, size);
}

/** P ∘ (S̄ − D) / √dh in place of S̄. */
function slopesRow(weights: usize, slopes: usize, dot: f32): void {
  const shift = f32x4.splat(dot);
  const scale = f32x4.splat(float(SCALE));
  for (const end = slopes + (<usize>width << 2); slopes < end; slopes += 32) {
    const s0 = v128.load(slopes);
    const s1 = v128.load(slopes, 16);
    const p0 = v128.load(weights);
    const p1 = v128.load(weights, 16);
    const left = f32x4.mul(f32x4.mul(p0, f32x4.sub(s0, shift)), scale);
    const right = f32x4.mul(f32x4.mul(p1, f32x4.sub(s1, shift)), scale);
    storePair(slopes, left, right);
    weights += 32;
  }
}
