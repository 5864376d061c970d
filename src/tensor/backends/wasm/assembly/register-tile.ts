// 6 × 8 results in twelve registers. The loops are not unrolled: the engine's compiler moves all loads of an iteration to
// its front, and two iterations' worth of them no longer fit into its fifteen registers.

import { madd, scratch } from "./job";

/** The rows of A stand in a panel [depth][6]. The other arguments are those of `finishTile`. */
export function packedTile(
  a: usize,
  b: usize,
  depth: i32,
  to: usize,
  stride: usize,
  height: i32,
  width: i32,
  first: bool,
  bias: usize,
  residual: usize,
): void {
  let c00 = f32x4.splat(0);
  let c01 = f32x4.splat(0);
  let c10 = f32x4.splat(0);
  let c11 = f32x4.splat(0);
  let c20 = f32x4.splat(0);
  let c21 = f32x4.splat(0);
  let c30 = f32x4.splat(0);
  let c31 = f32x4.splat(0);
  let c40 = f32x4.splat(0);
  let c41 = f32x4.splat(0);
  let c50 = f32x4.splat(0);
  let c51 = f32x4.splat(0);
  const end = b + (<usize>depth << 5);
  while (b < end) {
    const b0 = v128.load(b);
    const b1 = v128.load(b, 16);
    let x = v128.load32_splat(a);
    c00 = madd(x, b0, c00);
    c01 = madd(x, b1, c01);
    x = v128.load32_splat(a, 4);
    c10 = madd(x, b0, c10);
    c11 = madd(x, b1, c11);
    x = v128.load32_splat(a, 8);
    c20 = madd(x, b0, c20);
    c21 = madd(x, b1, c21);
    x = v128.load32_splat(a, 12);
    c30 = madd(x, b0, c30);
    c31 = madd(x, b1, c31);
    x = v128.load32_splat(a, 16);
    c40 = madd(x, b0, c40);
    c41 = madd(x, b1, c41);
    x = v128.load32_splat(a, 20);
    c50 = madd(x, b0, c50);
    c51 = madd(x, b1, c51);
    a += 24;
    b += 32;
  }
  finishTile(
    c00,
    c01,
    c10,
    c11,
    c20,
    c21,
    c30,
    c31,
    c40,
    c41,
    c50,
    c51,
    to,
    stride,
    height,
    width,
    first,
    bias,
    residual,
  );
}

/** The rows of A stand `lda` cells apart; beyond `height` the last one is read again. */
export function rowsTile(
  a: usize,
  lda: usize,
  b: usize,
  depth: i32,
  to: usize,
  stride: usize,
  height: i32,
  width: i32,
  first: bool,
  bias: usize,
  residual: usize,
): void {
  let c00 = f32x4.splat(0);
  let c01 = f32x4.splat(0);
  let c10 = f32x4.splat(0);
  let c11 = f32x4.splat(0);
  let c20 = f32x4.splat(0);
  let c21 = f32x4.splat(0);
  let c30 = f32x4.splat(0);
  let c31 = f32x4.splat(0);
  let c40 = f32x4.splat(0);
  let c41 = f32x4.splat(0);
  let c50 = f32x4.splat(0);
  let c51 = f32x4.splat(0);
  let r0 = a;
  let r1 = a + (lda << 2) * min(1, height - 1);
  let r2 = a + (lda << 2) * min(2, height - 1);
  let r3 = a + (lda << 2) * min(3, height - 1);
  let r4 = a + (lda << 2) * min(4, height - 1);
  let r5 = a + (lda << 2) * min(5, height - 1);
  const end = b + (<usize>depth << 5);
  while (b < end) {
    const b0 = v128.load(b);
    const b1 = v128.load(b, 16);
    let x = v128.load32_splat(r0);
    c00 = madd(x, b0, c00);
    c01 = madd(x, b1, c01);
    x = v128.load32_splat(r1);
    c10 = madd(x, b0, c10);
    c11 = madd(x, b1, c11);
    x = v128.load32_splat(r2);
    c20 = madd(x, b0, c20);
    c21 = madd(x, b1, c21);
    x = v128.load32_splat(r3);
    c30 = madd(x, b0, c30);
    c31 = madd(x, b1, c31);
    x = v128.load32_splat(r4);
    c40 = madd(x, b0, c40);
    c41 = madd(x, b1, c41);
    x = v128.load32_splat(r5);
    c50 = madd(x, b0, c50);
    c51 = madd(x, b1, c51);
    r0 += 4;
    r1 += 4;
    r2 += 4;
    r3 += 4;
    r4 += 4;
    r5 += 4;
    b += 32;
  }
  finishTile(
    c00,
    c01,
    c10,
    c11,
    c20,
    c21,
    c30,
    c31,
    c40,
    c41,
    c50,
    c51,
    to,
    stride,
    height,
    width,
    first,
    bias,
    residual,
  );
}

/**
 * Adds a tile of sums to the cells at `to`.
 *
 * @param stride bytes from one row to the next, there and in the residual
 * @param first whether there is no value yet
 * @param bias one cell a column, 0 when there is none or it is not due
 * @param residual one cell a cell, likewise
 */
@inline
function finishTile(
  c00: v128,
  c01: v128,
  c10: v128,
  c11: v128,
  c20: v128,
  c21: v128,
  c30: v128,
  c31: v128,
  c40: v128,
  c41: v128,
  c50: v128,
  c51: v128,
  to: usize,
  stride: usize,
  height: i32,
  width: i32,
  first: bool,
  bias: usize,
  residual: usize,
): void {
  if (height === 6 && width === 8 && first && !bias && !residual) {
    v128.store(to, c00);
    v128.store(to, c01, 16);
    v128.store(to + stride, c10);
    v128.store(to + stride, c11, 16);
    v128.store(to + stride * 2, c20);
    v128.store(to + stride * 2, c21, 16);
    v128.store(to + stride * 3, c30);
    v128.store(to + stride * 3, c31, 16);
    v128.store(to + stride * 4, c40);
    v128.store(to + stride * 4, c41, 16);
    v128.store(to + stride * 5, c50);
    v128.store(to + stride * 5, c51, 16);
    return;
  }
  if (height === 6 && width === 8) {
    finish(to, 0, c00, first, bias, 0, residual);
    finish(to, 16, c01, first, bias, 16, residual);
    finish(to, stride * 1, c10, first, bias, 0, residual);
    finish(to, stride * 1 + 16, c11, first, bias, 16, residual);
    finish(to, stride * 2, c20, first, bias, 0, residual);
    finish(to, stride * 2 + 16, c21, first, bias, 16, residual);
    finish(to, stride * 3, c30, first, bias, 0, residual);
    finish(to, stride * 3 + 16, c31, first, bias, 16, residual);
    finish(to, stride * 4, c40, first, bias, 0, residual);
    finish(to, stride * 4 + 16, c41, first, bias, 16, residual);
    finish(to, stride * 5, c50, first, bias, 0, residual);
    finish(to, stride * 5 + 16, c51, first, bias, 16, residual);
    return;
  }
  v128.store(scratch, c00);
  v128.store(scratch, c01, 16);
  v128.store(scratch, c10, 32);
  v128.store(scratch, c11, 48);
  v128.store(scratch, c20, 64);
  v128.store(scratch, c21, 80);
  v128.store(scratch, c30, 96);
  v128.store(scratch, c31, 112);
  v128.store(scratch, c40, 128);
  v128.store(scratch, c41, 144);
  v128.store(scratch, c50, 160);
  v128.store(scratch, c51, 176);
  finishEdge(to, stride, height, width, first, bias, residual);
}

@inline
function finish(
  to: usize,
  offset: usize,
  sum: v128,
  first: bool,
  bias: usize,
  column: usize,
  residual: usize,
): void {
  const value = first ? sum : f32x4.add(v128.load(to + offset), sum);
  const biased = bias ? f32x4.add(value, v128.load(bias + column)) : value;
  v128.store(to + offset, residual ? f32x4.add(biased, v128.load(residual + offset)) : biased);
}

/** The same row by row, or cell by cell in a narrower tile, from the tile in scratch. */
function finishEdge(
  to: usize,
  stride: usize,
  height: i32,
  width: i32,
  first: bool,
  bias: usize,
  residual: usize,
): void {
  for (let i = 0; i < height; i++) {
    if (width === 8) {
      const row = scratch + (<usize>i << 5);
      finish(to, stride * i, v128.load(row), first, bias, 0, residual);
      finish(to, stride * i + 16, v128.load(row, 16), first, bias, 16, residual);
      continue;
    }
    for (let j = 0; j < width; j++) {
      const offset = stride * i + (<usize>j << 2);
      let value = load<f32>(scratch + (<usize>(8 * i + j) << 2));
      if (!first) value += load<f32>(to + offset);
      if (bias) value += load<f32>(bias + (<usize>j << 2));
      if (residual) value += load<f32>(residual + offset);
      store<f32>(to + offset, value);
    }
  }
}
