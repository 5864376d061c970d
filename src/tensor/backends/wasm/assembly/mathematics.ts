// Transcendental functions of four floats. The polynomials are least-maximum fits on the stated intervals; the largest
// errors over all floats were measured against float64; test/contract/primitives.test.ts holds them to `cpu`.

import { madd } from "./job";

// pmin and pmax are one instruction where min and max are eight; with the bound second, NaN stays.

// @ts-expect-error: decorator
@inline
function splat(value: f32): v128 {
  return f32x4.splat(value);
}

/**
 * A number of a table in memory. Node's newer compilers build a constant vector anew wherever it is used, in five
 * instructions; this is one.
 */
// @ts-expect-error: decorator
@inline
function constant(table: usize, n: i32): v128 {
  return v128.load32_splat(table + (<usize>n << 2));
}

// @ts-expect-error: decorator
@inline
function select(mask: v128, yes: v128, no: v128): v128 {
  return v128.bitselect(yes, no, mask);
}

/**
 * The polynomial of eʳ, the highest power first; 1 / ln 2; ln 2 in two parts, the first with few bits, so that its products
 * with whole numbers are exact (Cody & Waite 1980); 1.5 · 2²³ + 127, a float without a fraction whose lowest eight bits are
 * the exponent of 1; −127 ln 2, where that of e^x becomes 0; between what e^x is computed.
 */
const EXP = memory.data<f32>([
  0.001395080704241991, 0.008369073271751404, 0.04166620224714279, 0.16666516661643982, 0.5, 1, 1.44269504, -0.693359375,
  2.1219444e-4, 12583039, -88.02969193111305, 89, -104,
]);
const INVERSE = 6;
const HIGH = 7;
const LOW = 8;
const SHIFT = 9;
const LOWEST = 10;
const MOST = 11;
const LEAST = 12;

/** n = x / ln 2 rounded to a whole number, plus SHIFT. */
@inline
function powersIn(x: v128): v128 {
  return madd(x, constant(EXP, INVERSE), constant(EXP, SHIFT));
}

/** eʳ for |r| ≤ ½ ln 2. */
@inline
function expOfSmall(r: v128): v128 {
  let p = constant(EXP, 0);
  p = madd(p, r, constant(EXP, 1));
  p = madd(p, r, constant(EXP, 2));
  p = madd(p, r, constant(EXP, 3));
  p = madd(p, r, constant(EXP, 4));
  return f32x4.add(madd(f32x4.mul(r, r), p, r), constant(EXP, 5));
}

/** x − n ln 2. */
@inline
function withoutPowers(x: v128, n: v128): v128 {
  return madd(n, constant(EXP, LOW), madd(n, constant(EXP, HIGH), x));
}

/** e^(x + low) for a small correction `low`: x = n ln 2 + r, e^x = 2ⁿ eʳ. */
@inline
function expOfSum(x: v128, low: v128): v128 {
  const clamped = f32x4.pmax(f32x4.pmin(x, constant(EXP, MOST)), constant(EXP, LEAST));
  const shifted = powersIn(clamped);
  const p = expOfSmall(f32x4.add(withoutPowers(clamped, f32x4.sub(shifted, constant(EXP, SHIFT))), low));
  // 2ⁿ in two factors: n reaches from below the smallest normal exponent to above the largest.
  const whole = i32x4.sub(shifted, constant(EXP, SHIFT));
  const half = i32x4.shr_s(whole, 1);
  const one = constant(EXP, SHIFT);
  return f32x4.mul(f32x4.mul(p, powerOfTwo(i32x4.add(half, one))), powerOfTwo(i32x4.add(i32x4.sub(whole, half), one)));
}

/** 2ⁿ of n + SHIFT; 0 for n = −127. */
@inline
function powerOfTwo(shifted: v128): v128 {
  return i32x4.shl(shifted, 23);
}

@inline
export function exp(x: v128): v128 {
  return expOfSum(x, splat(0));
}

/** e^x for x ≤ 0, as softmax needs it: what is much smaller than normal numbers becomes 0. */
@inline
export function expOfNegative(x: v128): v128 {
  const clamped = f32x4.pmax(x, constant(EXP, LOWEST));
  const shifted = powersIn(clamped);
  const p = expOfSmall(withoutPowers(clamped, f32x4.sub(shifted, constant(EXP, SHIFT))));
  return f32x4.mul(p, powerOfTwo(shifted));
}

/** The polynomial of (2ᶠ − 1) / f, the highest power first, then 1; where 2ᵗ becomes 0. */
const EXP2 = memory.data<f32>([
  0.001326472731307149, 0.009671512991189957, 0.05550733581185341, 0.24022242426872253, 0.6931470036506653, 1, -127,
]);

/** 2ᵗ for t ≤ 0, to 2e-7 of it: for powers that stand in t with its rounding error anyway. */
@inline
export function exp2OfNegative(t: v128): v128 {
  const clamped = f32x4.pmax(t, constant(EXP2, 6));
  const shifted = f32x4.add(clamped, constant(EXP, SHIFT));
  const f = f32x4.sub(clamped, f32x4.sub(shifted, constant(EXP, SHIFT)));
  let p = constant(EXP2, 0);
  p = madd(p, f, constant(EXP2, 1));
  p = madd(p, f, constant(EXP2, 2));
  p = madd(p, f, constant(EXP2, 3));
  p = madd(p, f, constant(EXP2, 4));
  return f32x4.mul(madd(p, f, constant(EXP2, 5)), powerOfTwo(shifted));
}

/** The smallest normal number; 2²³; 1; the polynomial of ln(1 + f), the highest power first; the last terms, ln 2 in two parts. */
const LOG = memory.data<f32>([
  1.17549435e-38, 8388608, 1, 0.06916964054107666, -0.11791913211345673, 0.11873401701450348, -0.12384044378995895,
  0.14218565821647644, -0.16669264435768127, 0.20002231001853943, -0.24999986588954926, 0.3333331048488617,
  -2.12194440e-4, -0.5, 0.693359375,
]);

/** ln x = e ln 2 + ln(1 + f) with f between √½ − 1 and √2 − 1. */
// @ts-expect-error: decorator
@inline
export function log(x: v128): v128 {
  const tiny = f32x4.lt(x, constant(LOG, 0));
  const normal = select(tiny, f32x4.mul(x, constant(LOG, 1)), x); // 2²³
  // The exponent of x / √½: the mantissa then lies between √½ and √2.
  const shifted = i32x4.sub(normal, i32x4.splat(0x3f3504f3));
  const exponent = i32x4.sub(i32x4.shr_s(shifted, 23), v128.and(tiny, i32x4.splat(23)));
  const mantissa = i32x4.add(v128.and(shifted, i32x4.splat(0x7fffff)), i32x4.splat(0x3f3504f3));
  const f = f32x4.sub(mantissa, constant(LOG, 2));
  const e = f32x4.convert_i32x4_s(exponent);
  let p = constant(LOG, 3);
  p = madd(p, f, constant(LOG, 4));
  p = madd(p, f, constant(LOG, 5));
  p = madd(p, f, constant(LOG, 6));
  p = madd(p, f, constant(LOG, 7));
  p = madd(p, f, constant(LOG, 8));
  p = madd(p, f, constant(LOG, 9));
  p = madd(p, f, constant(LOG, 10));
  p = madd(p, f, constant(LOG, 11));
  const square = f32x4.mul(f, f);
  let y = madd(f32x4.mul(square, f), p, f32x4.mul(e, constant(LOG, 12)));
  y = madd(square, constant(LOG, 13), y);
  y = madd(e, constant(LOG, 14), f32x4.add(f, y));
  y = select(f32x4.eq(x, splat(f32.MAX_VALUE * 2)), x, y); // +∞
  y = select(f32x4.eq(x, splat(0)), splat(-f32.MAX_VALUE * 2), y);
  return select(f32x4.ge(x, splat(0)), y, splat(NaN));
}

/** The polynomial, the highest power first; 1; 2; where it ends. */
const TANH = memory.data<f32>([
  -0.005660780239850283, 0.020601999014616013, -0.05372922867536545, 0.13331328332424164, -0.33333277702331543, 1, 2,
  0.625,
]);

/** An odd polynomial near 0, then 1 − 2 / (e^2x + 1). */
// @ts-expect-error: decorator
@inline
export function tanh(x: v128): v128 {
  const size = f32x4.abs(x);
  const square = f32x4.mul(x, x);
  let p = constant(TANH, 0);
  p = madd(p, square, constant(TANH, 1));
  p = madd(p, square, constant(TANH, 2));
  p = madd(p, square, constant(TANH, 3));
  p = madd(p, square, constant(TANH, 4));
  const near = madd(f32x4.mul(p, square), x, x);
  const e = exp(f32x4.add(size, size));
  const far = f32x4.sub(constant(TANH, 5), f32x4.div(constant(TANH, 6), f32x4.add(e, constant(TANH, 5))));
  const signed = v128.bitselect(far, x, i32x4.splat(0x7fffffff));
  return select(f32x4.lt(size, constant(TANH, 7)), near, signed);
}

// @ts-expect-error: decorator
@inline
export function sigmoid(x: v128): v128 {
  const one = constant(EXP, 5);
  return f32x4.div(one, f32x4.add(one, exp(f32x4.neg(x))));
}

/** 1; what makes u of t; P, and the polynomial of erf, the highest power first; where erf is 1. */
const ERF = memory.data<f32>([
  1, 0.42, -0.04077925905585289, 0.22883634269237518, -0.4824269413948059, 0.4317648112773895, -0.19304585456848145,
  0.21153812110424042, 0.15076430141925812, 0.21974687278270721, 0.23662911355495453, 0.23697249591350555,
  7.889119297033176e-5, -0.0008020841050893068, 0.005189535208046436, -0.026854444295167923, 0.11283600330352783,
  -0.3761262595653534, 0.12837916612625122, 10,
]);

/** e^(t²) erfc(t) for 0 ≤ t ≤ 15, as u P(u) with u = 1 / (1 + 0.42 t). */
// @ts-expect-error: decorator
@inline
function scaledErfc(t: v128): v128 {
  const u = f32x4.div(constant(ERF, 0), madd(t, constant(ERF, 1), constant(ERF, 0)));
  let p = constant(ERF, 2);
  p = madd(p, u, constant(ERF, 3));
  p = madd(p, u, constant(ERF, 4));
  p = madd(p, u, constant(ERF, 5));
  p = madd(p, u, constant(ERF, 6));
  p = madd(p, u, constant(ERF, 7));
  p = madd(p, u, constant(ERF, 8));
  p = madd(p, u, constant(ERF, 9));
  p = madd(p, u, constant(ERF, 10));
  p = madd(p, u, constant(ERF, 11));
  return f32x4.mul(p, u);
}

/** e^(−x²): the square in two parts, since its rounding error would be multiplied by its size. */
// @ts-expect-error: decorator
@inline
function expOfSquare(x: v128): v128 {
  const high = v128.and(x, i32x4.splat(0xfffff000));
  const low = f32x4.mul(f32x4.sub(x, high), f32x4.add(x, high));
  return expOfSum(f32x4.neg(f32x4.mul(high, high)), f32x4.neg(low));
}

/** An odd polynomial up to 1, then 1 − erfc. */
// @ts-expect-error: decorator
@inline
export function erf(x: v128): v128 {
  const square = f32x4.mul(x, x);
  let p = constant(ERF, 12);
  p = madd(p, square, constant(ERF, 13));
  p = madd(p, square, constant(ERF, 14));
  p = madd(p, square, constant(ERF, 15));
  p = madd(p, square, constant(ERF, 16));
  p = madd(p, square, constant(ERF, 17));
  p = madd(p, square, constant(ERF, 18));
  const near = madd(p, x, x);
  const t = f32x4.pmin(f32x4.abs(x), constant(ERF, 19));
  const far = f32x4.sub(constant(ERF, 0), f32x4.mul(scaledErfc(t), expOfSquare(t)));
  return select(f32x4.lt(t, constant(ERF, 0)), near, v128.bitselect(far, x, i32x4.splat(0x7fffffff)));
}

/**
 * Two fits: the coefficients of P and Q in turn, the highest power first; ± the last x, chosen so that the results there
 * are exactly 0 and 1, with fused sums and without; ½.
 */
const NORMAL = memory.data<f32>([
  2.2145339784174212e-8, 1.1802122799053905e-6, 6.356524409056874e-6, 7.51017068978399e-5, 0.0001738501014187932,
  0.0019129746360704303, 0.0047072554007172585, 0.028940053656697273, 0.03437604755163193, 0.25283369421958923,
  0.398942232131958, 1, 5.58, -5.58, 0.5,
]);
const GELU_DERIVATIVE = memory.data<f32>([
  1.929073931705716e-7, 8.951721611083485e-6, 3.595431917347014e-5, 0.00019203705596737564, 1.923636591527611e-5,
  0.0035230249632149935, 0.014230182394385338, 0.040980324149131775, -0.030995232984423637, 0.2944948077201843,
  0.7978853583335876, 1, 5.758, -5.758, 0.5,
]);

/** ½ + t P(t²) / Q(t²), where t is x between the last ones. */
@inline
function aboutHalf(table: usize, x: v128): v128 {
  const t = f32x4.pmax(f32x4.pmin(x, constant(table, 12)), constant(table, 13));
  const s = f32x4.mul(t, t);
  let p = constant(table, 0);
  let q = constant(table, 1);
  p = madd(p, s, constant(table, 2));
  q = madd(q, s, constant(table, 3));
  p = madd(p, s, constant(table, 4));
  q = madd(q, s, constant(table, 5));
  p = madd(p, s, constant(table, 6));
  q = madd(q, s, constant(table, 7));
  p = madd(p, s, constant(table, 8));
  q = madd(q, s, constant(table, 9));
  p = madd(p, s, constant(table, 10));
  q = madd(q, s, constant(table, 11));
  return f32x4.add(f32x4.div(f32x4.mul(t, p), q), constant(table, 14));
}

/** x Φ(x), with Φ to 2e-7. */
@inline
export function gelu(x: v128): v128 {
  return f32x4.mul(x, aboutHalf(NORMAL, x));
}

/** Φ(x) + x φ(x) to 4e-7. */
@inline
export function geluDerivative(x: v128): v128 {
  return aboutHalf(GELU_DERIVATIVE, x);
}
