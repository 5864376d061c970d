// Optimiser steps in place; see `update` of the cpu device for the equations.

import { ARGUMENTS, address, int, storeLanes } from "./job";
import { findTensor, first, last, operands } from "./tensors";

const NESTEROV = 3;
const FACTOR = 4;
const NUMBERS = 8; // the first one stands elsewhere: a job before this one computes it

@inline
function number(n: i32): v128 {
  return v128.load32_splat(n === 0 ? address(FACTOR) : ARGUMENTS + (<usize>(NUMBERS + n) << 2));
}

/** numbers: gradScale, β₁, 1 − β₁, β₂, 1 − β₂, ε, step size, decay of the gradient, before and after. */
export function adamwTile(tile: i32): void {
  findTensor(tile);
  for (let i = first; i < last; i += 4) {
    const at = <usize>i << 2;
    const parameter = load<u32>(operands) + at;
    const grad = load<u32>(operands, 4) + at;
    const m = load<u32>(operands, 8) + at;
    const v = load<u32>(operands, 12) + at;
    const value = v128.load(parameter);
    const g = f32x4.add(f32x4.mul(number(0), v128.load(grad)), f32x4.mul(number(7), value));
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
  findTensor(tile);
  for (let i = first; i < last; i += 4) {
    const at = <usize>i << 2;
    const parameter = load<u32>(operands) + at;
    const grad = load<u32>(operands, 4) + at;
    const velocity = load<u32>(operands, 8) + at;
    const value = v128.load(parameter);
    const g = f32x4.add(f32x4.mul(number(0), v128.load(grad)), f32x4.mul(number(1), value));
    const speed = f32x4.add(f32x4.mul(number(2), v128.load(velocity)), g);
    const direction = int(NESTEROV) ? f32x4.add(g, f32x4.mul(number(2), speed)) : speed;
    storeLanes(velocity, speed, last - i);
    storeLanes(parameter, f32x4.sub(value, f32x4.mul(number(3), direction)), last - i);
  }
}
