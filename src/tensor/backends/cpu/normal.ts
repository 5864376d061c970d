/*
 * The normal distribution function and erfc, right to the last place over the whole line.
 *
 * Both are a decaying exponential times a slowly varying factor, the scaled tail
 *
 *   M(y) = Φ(−y) e^(y²/2) = ½ erfcx(y / √2),   M′ = y M − 1/√(2π),   y ≥ 0.
 *
 * The exponent is formed without rounding, since an error of ε there is an error of ε of the result: y² alone, rounded,
 * would cost hundreds of units at y = 37. What a product or a sum loses is carried along in a second double.
 */

/** M(k/4) for k = 0 … 16, as a double and what is missing from it, from the power series of erf in 400-bit arithmetic. */
const SCALED_TAIL_AT_QUARTERS: readonly (readonly [number, number])[] = [
  [0.5, 0],
  [0.4140321029477354, 1.6593012241084574e-17],
  [0.34961883472039806, 5.852285105716737e-18],
  [0.30023246233995093, 2.3538197066020127e-18],
  [0.2615782918651234, -8.473622911119317e-18],
  [0.23076032130563176, 1.2757616866751203e-17],
  [0.2057806669773947, -3.144494638440171e-18],
  [0.18523166467823896, 5.204928727591149e-18],
  [0.1681020012231706, 1.2414036991617827e-17],
  [0.15365193742384164, -5.693933548426739e-18],
  [0.1413313313805753, 1.1713582016477226e-17],
  [0.13072473410074711, 1.1881945407800617e-19],
  [0.12151394835556217, -6.432117119983667e-18],
  [0.11345206212929865, -6.865953898366728e-18],
  [0.10634515363370545, -4.714181777755187e-19],
  [0.10003920963545321, -3.4263544556381647e-18],
  [0.09441064130196894, -2.7718791762467385e-18],
];
const [INVERSE_SQRT_2PI, INVERSE_SQRT_2PI_REST] = [0.3989422804014327, -2.49232720227773e-17];
const [SQRT_2, SQRT_2_REST] = [Math.SQRT2, -9.667293313452913e-17];
/** ln 2 in two parts, the first short enough that its product with an exponent is exact (fdlibm's). */
const [LN_2, LN_2_REST] = [0.6931471803691238, 1.9082149292705877e-10];
/** Beyond these the tail is less than half the smallest double. */
const [LAST_NORMAL, LAST_ERFC] = [38.6, 27.3];

/** Φ(x) = ½ (1 + erf(x / √2)), the normal distribution function, within 0.75 units in the last place. */
export function normalCdf(x: number): number {
  const y = Math.abs(x);
  if (!(y <= LAST_NORMAL)) return x > 0 ? 1 : x < 0 ? 0 : Number.NaN;
  const square = y * y;
  return tailOrRest(1, x < 0, y, 0, square / 2, productError(y, y, square) / 2);
}

/** erfc(x) = 1 − erf(x) = 2 Φ(−√2 x), within 0.75 units in the last place. */
export function erfc(x: number): number {
  const size = Math.abs(x);
  if (!(size <= LAST_ERFC)) return x > 0 ? 0 : x < 0 ? 2 : Number.NaN;
  const y = SQRT_2 * size;
  const yRest = productError(SQRT_2, size, y) + SQRT_2_REST * size;
  const square = size * size;
  return tailOrRest(2, x > 0, y, yRest, square, productError(size, size, square));
}

/** w Φ(−y), or w less that, for y ≥ 0; the argument and the exponent y²/2 come as a double and what is missing from it. */
function tailOrRest(
  w: 1 | 2,
  isTail: boolean,
  y: number,
  yRest: number,
  exponent: number,
  exponentRest: number,
): number {
  // M(y) = factor + factorRest.
  const nearest = Math.round(4 * y);
  const isTabulated = nearest < SCALED_TAIL_AT_QUARTERS.length;
  const first = isTabulated ? SCALED_TAIL_AT_QUARTERS[nearest][0] : INVERSE_SQRT_2PI / y;
  const second = isTabulated ? restNearQuarter(nearest, y - nearest / 4 + yRest) : restOfFraction(y, yRest, first);
  const factor = first + second;
  const factorRest = first - factor + second;

  // e^(−exponent) = 2⁻ᵏ e^(r + rRest) = 2⁻ᵏ (power + powerRest), by the power series; its first three terms are exact.
  const k = Math.round(exponent / LN_2);
  const whole = k * LN_2 - exponent;
  const part = k * LN_2_REST - exponentRest;
  const r = whole + part;
  const rRest = whole - r + part;
  const square = r * r;
  let series = 1;
  for (let n = 15; n > 3; n--) series = 1 + (series * r) / n;
  const linear = 1 + r;
  const parabola = linear + square / 2;
  const lost = 1 - linear + r + (linear - parabola + square / 2) + productError(r, r, square) / 2 + rRest * parabola;
  const beyond = (square * r * series) / 6 + lost;
  const power = parabola + beyond;
  const powerRest = parabola - power + beyond;

  const product = power * factor;
  const productRest = productError(power, factor, product) + power * factorRest + powerRest * factor;
  const scale = w * 2 ** -Math.min(k, 1000);
  if (isTail) return (product + productRest) * scale * 2 ** -Math.max(0, k - 1000);
  const tail = product * scale;
  const rest = w - tail;
  return rest + (w - rest - tail - productRest * scale);
}

/** M(c + h) less the double tabulated at c, by the Taylor series of M, whose coefficients follow from its equation. */
function restNearQuarter(nearest: number, h: number): number {
  const [value, valueRest] = SCALED_TAIL_AT_QUARTERS[nearest];
  const c = nearest / 4;
  const scaled = c * value;
  const slope = scaled - INVERSE_SQRT_2PI + (productError(c, value, scaled) + c * valueRest - INVERSE_SQRT_2PI_REST);
  let previous = value;
  let term = slope * h;
  let sum = 0;
  for (let n = 2; n <= 14; n++) {
    sum += term;
    const next = (h * (c * term + h * previous)) / n;
    previous = term;
    term = next;
  }
  return sum + valueRest;
}

/** M(y) less the double `first` = 1/√(2π) / y, by Laplace's fraction √(2π) M(y) = 1/(y + 1/(y + 2/(y + 3/(y + …)))). */
function restOfFraction(y: number, yRest: number, first: number): number {
  let fraction = 0;
  for (let n = 40; n >= 1; n--) fraction = n / (y + fraction);
  const missing =
    INVERSE_SQRT_2PI - first * y - productError(first, y, first * y) + INVERSE_SQRT_2PI_REST - first * yRest;
  return (missing - first * fraction) / (y + fraction);
}

/** a b − product, exactly (Dekker 1971), for the rounded product of numbers that are neither huge nor tiny. */
function productError(a: number, b: number, product: number): number {
  const [aHigh, bHigh] = [upperHalf(a), upperHalf(b)];
  const [aLow, bLow] = [a - aHigh, b - bHigh];
  return aHigh * bHigh - product + aHigh * bLow + aLow * bHigh + aLow * bLow;
}

/** The upper 26 bits of a double (Veltkamp 1968). */
function upperHalf(x: number): number {
  const scaled = x * (2 ** 27 + 1);
  return scaled - (scaled - x);
}
