// One job at a time: its arguments stand in a fixed block of the shared memory, and its tiles are handed out by an
// atomic ticket (see pool.ts). A tile reads its arguments from here.

/** Where the 32-bit arguments of the job stand that is open; pool.ts brings them there. */
export const ARGUMENTS: usize = 2048;

/** Where each thread's scratch begins; the host writes it. */
const SCRATCH_TABLE: usize = 1408;

/** Bytes that belong to this thread alone: packed panels, rows in progress. */
export let scratch: usize = 0;

/** The host may have moved it since the last job. */
export function findScratch(thread: i32): void {
  scratch = load<u32>(SCRATCH_TABLE + (<usize>thread << 2));
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

/** Sets cells to one value. The engine fills memory by a call of its own, which takes longer than a row of a few vectors. */
export function fillCells(to: usize, cells: i32, value: v128): void {
  for (; cells > 0; cells -= 4) {
    storeLanes(to, value, cells);
    to += 16;
  }
}

let touched: v128 = i32x4.splat(0);

/** Reads cells in their order, of which processors fetch more in advance: who needs them in another finds them in the caches. */
export function touch(from: usize, cells: i32): void {
  let seen = i32x4.splat(0);
  for (const end = from + (<usize>cells << 2); from < end; from += 64) seen = v128.or(seen, v128.load(from));
  touched = seen; // so that the compiler leaves the loop
}

/** All bits set in the first `count` lanes. */
@inline
export function lanes(count: i32): v128 {
  return i32x4.lt_s(i32x4(0, 1, 2, 3), i32x4.splat(count));
}

/** Four cells, or the first `count` of them and `fill` in the other lanes. */
@inline
export function loadLanes(from: usize, count: i32, fill: v128): v128 {
  const cells = v128.load(from);
  return count >= 4 ? cells : v128.bitselect(cells, fill, lanes(count));
}

/** 64 bytes that nobody writes to: where sums begin, those of a register tile without bias and those of `sumOfTwo`. */
export const ZEROS: usize = 1984;

/**
 * Two neighbouring vectors. The second one goes first: where the compiler joins them, it would leave a store of the first
 * half behind otherwise.
 */
@inline
export function storePair(to: usize, left: v128, right: v128): void {
  v128.store(to, right, 16);
  v128.store(to, left);
}

/** Stores the first `count` cells, at least one, of two neighbouring vectors. */
@inline
export function storeCells(to: usize, left: v128, right: v128, count: i32): void {
  if (count >= 8) {
    storePair(to, left, right);
    return;
  }
  storeLanes(to, left, count);
  if (count > 4) storeLanes(to + 16, right, count - 4);
}

/** even + odd, by way of memory: engines join pairs of vectors from a pair of stores backwards, loops included. */
@inline
export function sumOfTwo(even: v128, odd: v128): v128 {
  storePair(scratch, even, odd);
  return f32x4.add(v128.load(scratch), v128.load(scratch, 16));
}

/** The larger of both in each lane, in the same way. */
@inline
export function maxOfTwo(even: v128, odd: v128): v128 {
  storePair(scratch, even, odd);
  return f32x4.pmax(v128.load(scratch), v128.load(scratch, 16));
}

/** Σ over the lanes. */
@inline
export function sumLanes(x: v128): f32 {
  return (
    f32x4.extract_lane(x, 0) + f32x4.extract_lane(x, 2) + (f32x4.extract_lane(x, 1) + f32x4.extract_lane(x, 3))
  );
}

/** The largest lane, of numbers. */
@inline
export function maxLanes(x: v128): f32 {
  const pairs = f32x4.pmax(x, v128.shuffle<f32>(x, x, 2, 3, 0, 1));
  return f32x4.extract_lane(f32x4.pmax(pairs, v128.shuffle<f32>(pairs, pairs, 1, 0, 3, 2)), 0);
}
