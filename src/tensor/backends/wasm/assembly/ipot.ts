// The inexact proximal point method for optimal transport, one sample a tile; see `ipot` in autograd/functions.

import { address, float, int, loadLanes, scratch, storeLanes, sumLanes } from "./job";
import { exp } from "./mathematics";

const OUT = 0;
const COST = 1; // [B, M, N]
const WORDS = 2; // int32 [B, M]
const PATCHES = 3; // int32 [B, N]
const M = 4;
const N = 5;
const ITERATIONS = 6;
const BETA = 7;

/** Added to the denominator of a padded row or column (ViLT's constant). */
const PADDED: f32 = 1e4;
/** Keeps denominators from underflowing to 0. */
const FLOOR: f32 = 1e-30;

/** Scratch, in rows of `width` cells: σ, 1e4 on padded words, the sums over patches; then A and Q [N, width]. */
export function ipotTile(sample: i32): void {
  const m = int(M);
  const n = int(N);
  const width = (m + 3) & ~3;
  const row = <usize>width << 2;
  const sigma = scratch;
  const padding = sigma + row;
  const sums = padding + row;
  const kernel = sums + row;
  const plan = kernel + row * n;
  const words = address(WORDS) + (<usize>(sample * m) << 2);
  const patches = address(PATCHES) + (<usize>(sample * n) << 2);
  const numWords = countOf(words, m);
  const numPatches = countOf(patches, n);
  for (let i = 0; i < width; i++) {
    const isWord = i < m && load<i32>(words + (<usize>i << 2)) !== 0;
    store<f32>(sigma + (<usize>i << 2), isWord ? 1 / max(numWords, FLOOR) : 0);
    store<f32>(padding + (<usize>i << 2), isWord ? 0 : PADDED);
  }
  const cost = address(COST) + (<usize>(sample * m * n) << 2);
  for (let j = 0; j < n; j++) {
    const isPatch = load<i32>(patches + (<usize>j << 2)) !== 0;
    kernelRow(cost + (<usize>j << 2), words, isPatch, kernel + row * j, plan + row * j, m, width, n);
  }
  for (let step = int(ITERATIONS); step > 0; step--) {
    memory.fill(sums, 0, row);
    for (let j = 0; j < n; j++) {
      const extra: f32 = load<i32>(patches + (<usize>j << 2)) !== 0 ? 0 : PADDED;
      scaleRow(kernel + row * j, plan + row * j, sigma, sums, width, numPatches, extra);
    }
    for (let i = 0; i < width; i += 4) {
      const at = <usize>i << 2;
      const below = f32x4.add(f32x4.mul(f32x4.splat(numWords), v128.load(sums + at)), v128.load(padding + at));
      v128.store(sigma + at, f32x4.div(f32x4.splat(1), f32x4.max(below, f32x4.splat(FLOOR))));
    }
    for (let j = 0; j < n; j++) multiplyRow(plan + row * j, sigma, width);
  }
  const out = address(OUT) + (<usize>(sample * m * n) << 2);
  for (let j = 0; j < n; j++) {
    const isPatch = load<i32>(patches + (<usize>j << 2)) !== 0;
    writeRow(plan + row * j, words, isPatch, out + (<usize>(j * m) << 2), m);
  }
}

function countOf(mask: usize, length: i32): f32 {
  let count = 0;
  for (let i = 0; i < length; i++) count += load<i32>(mask + (<usize>i << 2));
  return <f32>count;
}

/** A = exp(−C / β) and Π = 1 where word and patch are valid, else 0. */
function kernelRow(
  cost: usize,
  words: usize,
  isPatch: bool,
  kernel: usize,
  plan: usize,
  m: i32,
  width: i32,
  stride: i32,
): void {
  for (let i = 0; i < width; i++) {
    const at = <usize>i << 2;
    const isValid = isPatch && i < m && load<i32>(words + at) !== 0;
    const c = isValid ? load<f32>(cost + (<usize>(i * stride) << 2)) : 0;
    store<f32>(kernel + at, c);
    store<f32>(plan + at, isValid ? 1 : 0);
  }
  for (let i = 0; i < width; i += 4) {
    const at = <usize>i << 2;
    const a = exp(f32x4.mul(v128.load(kernel + at), f32x4.splat(-1 / float(BETA))));
    v128.store(kernel + at, f32x4.mul(a, v128.load(plan + at)));
  }
}

/** Q = A ∘ Π, δ = 1 / (N Q σ + padding); keeps δ Q and adds it to the sums over patches. */
function scaleRow(
  kernel: usize,
  plan: usize,
  sigma: usize,
  sums: usize,
  width: i32,
  numPatches: f32,
  padding: f32,
): void {
  let dot = f32x4.splat(0);
  for (let i = 0; i < width; i += 4) {
    const at = <usize>i << 2;
    const q = f32x4.mul(v128.load(kernel + at), v128.load(plan + at));
    v128.store(plan + at, q);
    dot = f32x4.add(dot, f32x4.mul(q, v128.load(sigma + at)));
  }
  const delta = f32x4.splat(1 / max(numPatches * sumLanes(dot) + padding, FLOOR));
  for (let i = 0; i < width; i += 4) {
    const at = <usize>i << 2;
    const scaled = f32x4.mul(v128.load(plan + at), delta);
    v128.store(plan + at, scaled);
    v128.store(sums + at, f32x4.add(v128.load(sums + at), scaled));
  }
}

function multiplyRow(plan: usize, sigma: usize, width: i32): void {
  for (let i = 0; i < width; i += 4) {
    const at = <usize>i << 2;
    v128.store(plan + at, f32x4.mul(v128.load(plan + at), v128.load(sigma + at)));
  }
}

function writeRow(plan: usize, words: usize, isPatch: bool, out: usize, m: i32): void {
  for (let i = 0; i < m; i += 4) {
    const at = <usize>i << 2;
    const isWord = i32x4.ne(loadLanes(words + at, m - i, i32x4.splat(0)), i32x4.splat(0));
    const valid = isPatch ? isWord : i32x4.splat(0);
    storeLanes(out + at, v128.and(v128.load(plan + at), valid), m - i);
  }
}
