/**
 * Scalar functions in double precision, shared by name. Where V8's own function is within one unit in the last place
 * (exp, expm1, log, log1p) the kernels call it.
 */

/** aᵇ as IEEE 754 has it: 1 for a = 1 and any b, and for a = −1 and b = ±∞, where `Math.pow` answers NaN. */
export function pow(a: number, b: number): number {
  if (a === 1 || (a === -1 && Math.abs(b) === Infinity)) return 1;
  return a ** b;
}

/**
 * σ(x) = 1 / (1 + e⁻ˣ) = eˣ / (1 + eˣ), within 2 units in the last place; written so that no exponential overflows, and
 * corrected for what the rounded sum leaves out.
 */
export function sigmoid(x: number): number {
  const e = Math.exp(-Math.abs(x));
  const sum = 1 + e;
  const rest = e - (sum - 1);
  const quotient = (x >= 0 ? 1 : e) / sum;
  return quotient - (quotient * rest) / sum;
}

/**
 * tanh(x), within 1.5 units in the last place. `Math.tanh` is off by more than 2 below 1; there we take Lambert's continued
 * fraction x / (1 + u), u = x² / (3 + x² / (5 + …)), as x minus a small correction.
 */
export function tanh(x: number): number {
  if (!(Math.abs(x) < 1)) return Math.tanh(x);
  const square = x * x;
  if (square === 0) return x; // keeps the sign of −0
  let u = 0;
  for (let odd = 19; odd >= 3; odd -= 2) u = square / (odd + u);
  return x - (x * u) / (1 + u);
}

/** erf(k/4) for k = 0 … 24, from its power series in 200-bit fixed point. */
const ERF_AT_QUARTERS = [
  0, 0.2763263901682369, 0.5204998778130465, 0.7111556336535151, 0.8427007929497149, 0.9229001282564583,
  0.9661051464753108, 0.9866716712191824, 0.9953222650189527, 0.9985372834133188, 0.999593047982555, 0.9998993780778803,
  0.9999779095030014, 0.9999956972205363, 0.9999992569016276, 0.9999998862727434, 0.9999999845827421,
  0.9999999981494259, 0.9999999998033839, 0.9999999999815149, 0.9999999999984626, 0.9999999999998869,
  0.9999999999999927, 0.9999999999999996, 1,
];
const TWO_OVER_SQRT_PI = 1.1283791670955126;
/** 2/√π − 1, with the digits that 2/√π itself loses. */
const TWO_OVER_SQRT_PI_MINUS_1 = 0.1283791670955126;

/**
 * erf(x) = 2/√π ∫₀ˣ e^(−t²) dt, within 1.5 units in the last place.
 *
 * Below 1/2 by the power series 2/√π Σ (−1)ⁿ x²ⁿ⁺¹ / (n! (2n + 1)). Above, by the Taylor series around the nearest
 * multiple c of 1/4, where erf(c) is tabulated and c² is exact: the derivatives of e^(−t²) are Hermite polynomials,
 * erf(c + h) = erf(c) + 2/√π e^(−c²) Σ (−1)ⁿ Hₙ(c) hⁿ⁺¹ / (n + 1)!. From 6 on, 1 − erf(x) rounds away.
 */
export function erf(x: number): number {
  const size = Math.abs(x);
  if (size < 0.5) return erfNearZero(x);
  if (!(size < 6)) return Math.sign(x); // NaN stays NaN
  return Math.sign(x) * erfNearQuarter(size);
}

function erfNearZero(x: number): number {
  const square = x * x;
  let power = 1;
  let tail = 0;
  for (let n = 1; n <= 12; n++) {
    power *= -square / n;
    tail += power / (2 * n + 1);
  }
  return x + x * (TWO_OVER_SQRT_PI_MINUS_1 + TWO_OVER_SQRT_PI * tail);
}

function erfNearQuarter(x: number): number {
  const nearest = Math.round(4 * x);
  const c = nearest / 4;
  const h = x - c;
  // gₙ = (−1)ⁿ Hₙ(c) hⁿ / n!, from Hₙ₊₁ = 2c Hₙ − 2n Hₙ₋₁.
  let previous = 0;
  let g = 1;
  let sum = 0;
  for (let n = 0; n < 18; n++) {
    sum += g / (n + 1);
    const next = (-2 * h * (c * g + h * previous)) / (n + 1);
    previous = g;
    g = next;
  }
  return ERF_AT_QUARTERS[nearest] + TWO_OVER_SQRT_PI * Math.exp(-c * c) * sum * h;
}
