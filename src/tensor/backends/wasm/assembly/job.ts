// One job at a time: its arguments stand in a fixed block of the shared memory, and its tiles are handed out by an
// atomic ticket (see pool.ts). A tile reads its arguments from here.

/** Where the 32-bit arguments of the job stand; `job.ts` of the host writes them. */
export const ARGUMENTS: usize = 2048;

/** Bytes that belong to this thread alone: packed panels, rows in progress. */
export let scratch: usize = 0;

export function setScratch(address: usize): void {
  scratch = address;
}

// @ts-expect-error: decorator
@inline
export function int(n: i32): i32 {
  return load<i32>(ARGUMENTS + (<usize>n << 2));
}

// @ts-expect-error: decorator
@inline
export function float(n: i32): f32 {
  return load<f32>(ARGUMENTS + (<usize>n << 2));
}

// @ts-expect-error: decorator
@inline
export function address(n: i32): usize {
  return load<u32>(ARGUMENTS + (<usize>n << 2));
}

/** a · b + c, rounded once where the machine has the instruction. */
// @ts-expect-error: decorator
@inline
export function madd(a: v128, b: v128, c: v128): v128 {
  return ASC_FEATURE_RELAXED_SIMD ? f32x4.relaxed_madd(a, b, c) : f32x4.add(f32x4.mul(a, b), c);
}

/** Stores the first `count` (1 to 4) lanes. */
export function storeLanes(to: usize, value: v128, count: i32): void {
  if (count >= 4) {
    v128.store(to, value);
    return;
  }
  v128.store32_lane(to, value, 0);
  if (count > 1) v128.store32_lane(to, value, 1, 4);
  if (count > 2) v128.store32_lane(to, value, 2, 8);
}
