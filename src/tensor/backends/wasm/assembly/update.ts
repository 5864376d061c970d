// Optimiser steps in place; see `update` of the cpu device for the equations.

import { address, float, int, storeLanes } from "./job";

const PARAMETER = 0;
const GRAD = 1;
const FIRST = 2; // m, or the velocity
const SECOND = 3; // v, or 1 for Nesterov's look-ahead
const SIZE = 4;
const TILE = 5;
const NUMBERS = 8;

@inline
function number(n: i32): v128 {
  return f32x4.splat(float(NUMBERS + n));
}

/** numbers: gradScale, β₁, 1 − β₁, β₂, 1 − β₂, ε, step size, decay of the gradient, before and after. */
export function adamwTile(tile: i32): void {
  const last = min(int(SIZE), (tile + 1) * int(TILE));
  for (let i = tile * int(TILE); i < last; i += 4) {
    const at = <usize>i << 2;
    const parameter = address(PARAMETER) + at;
    const m = address(FIRST) + at;
    const v = address(SECOND) + at;
    const value = v128.load(parameter);
    const g = f32x4.add(f32x4.mul(number(0), v128.load(address(GRAD) + at)), f32x4.mul(number(7), value));
    const mean = f32x4.add(f32x4.mul(number(1), v128.load(m)), f32x4.mul(number(2), g));
    const square = f32x4.add(f32x4.mul(number(3), v128.load(v)), f32x4.mul(number(4), f32x4.mul(g, g)));
    const move = f32x4.div(f32x4.mul(number(6), mean), f32x4.add(f32x4.sqrt(square), number(5)));
    const moved = f32x4.sub(f32x4.sub(value, f32x4.mul(number(8), value)), move);
    storeLanes(m, mean, last - i);
    storeLanes(v, square, last - i);
    storeLanes(parameter, f32x4.sub(moved, f32x4.mul(number(9), moved)), last - i);
  }
}

/** numbers: gradScale, weight decay, momentum, learning rate. */
export function sgdTile(tile: i32): void {
  const last = min(int(SIZE), (tile + 1) * int(TILE));
  for (let i = tile * int(TILE); i < last; i += 4) {
    const at = <usize>i << 2;
    const parameter = address(PARAMETER) + at;
    const velocity = address(FIRST) + at;
    const value = v128.load(parameter);
    const g = f32x4.add(f32x4.mul(number(0), v128.load(address(GRAD) + at)), f32x4.mul(number(1), value));
    const speed = f32x4.add(f32x4.mul(number(2), v128.load(velocity)), g);
    const direction = int(SECOND) ? f32x4.add(g, f32x4.mul(number(2), speed)) : speed;
    storeLanes(velocity, speed, last - i);
    storeLanes(parameter, f32x4.sub(value, f32x4.mul(number(3), direction)), last - i);
  }
}
