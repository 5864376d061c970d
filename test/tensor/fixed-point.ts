/*
 * True values for tests of scalar functions: whole numbers of 1280 fractional bits, so that the smallest double, 2⁻¹⁰⁷⁴,
 * still has 206 of them. All come from power series, which lose at most a few hundred of the last bits' units where
 * they are used, and from a continued fraction of positive terms for the far tail of the normal distribution; π comes
 * from Machin's arctangents.
 */
export const BITS = 1280n;
export const ONE = 1n << BITS;

/** A double, exactly. */
export function fixed(x: number): bigint {
  const words = new DataView(new ArrayBuffer(8));
  words.setFloat64(0, x);
  const bits = words.getBigUint64(0);
  const exponent = (bits >> 52n) & 0x7ffn;
  const mantissa = (bits & ((1n << 52n) - 1n)) | (exponent ? 1n << 52n : 0n);
  const shift = (exponent || 1n) - 1075n + BITS;
  const size = shift >= 0n ? mantissa << shift : mantissa >> -shift;
  return x < 0 ? -size : size;
}

export const multiply = (a: bigint, b: bigint): bigint => (a * b) >> BITS;
export const divide = (a: bigint, b: bigint): bigint => (a << BITS) / b;

/** Σ terms until they are too small to count. */
function series(first: bigint, next: (term: bigint, n: bigint) => bigint, weight: (n: bigint) => bigint): bigint {
  let sum = 0n;
  for (let n = 0n, term = first; term > 1n || term < -1n; n++) {
    sum += term / weight(n);
    term = next(term, n);
  }
  return sum;
}

/** eˣ = (e^(x / 2²⁴))^(2²⁴), 40 bits of which the squarings use up. */
export function trueExp(x: bigint): bigint {
  const halvings = 24n;
  let power = series(
    ONE,
    (term, n) => ((term * x) >> (BITS + halvings)) / (n + 1n),
    () => 1n,
  );
  for (let i = 0n; i < halvings; i++) power = multiply(power, power);
  return power;
}

function squareRoot(x: bigint): bigint {
  const square = x << BITS;
  let root = x + ONE;
  for (let next = (root + square / root) >> 1n; next < root; next = (root + square / root) >> 1n) root = next;
  return root;
}

const arctangentOfInverse = (n: bigint): bigint =>
  series(
    ONE / n,
    (term) => -term / (n * n),
    (k) => 2n * k + 1n,
  );
export const PI = 16n * arctangentOfInverse(5n) - 4n * arctangentOfInverse(239n);
const TWO_OVER_SQRT_PI = divide(2n * ONE, squareRoot(PI));

export function trueErf(x: bigint): bigint {
  const square = multiply(x, x);
  const integral = series(
    x,
    (term, n) => -multiply(term, square) / (n + 1n),
    (n) => 2n * n + 1n,
  );
  return multiply(integral, TWO_OVER_SQRT_PI);
}

/** log x for x > 0: a double y near it, and log (x e⁻ʸ) by the series of 2 artanh. */
export function trueLog(x: bigint): bigint {
  const length = BigInt(x.toString(2).length);
  const leading = Number(length > 64n ? x >> (length - 64n) : x << (64n - length));
  const y = fixed(Math.log(leading) + Number(length - 64n - BITS) * Math.LN2);
  const ratio = multiply(x, trueExp(-y));
  const z = divide(ratio - ONE, ratio + ONE);
  const square = multiply(z, z);
  const artanh = series(
    z,
    (term) => multiply(term, square),
    (n) => 2n * n + 1n,
  );
  return y + 2n * artanh;
}

/** erfc x: 1 − erf x below 3, beyond by Laplace's fraction e^(−x²)/√π · 1/(x + ½/(x + 1/(x + 3/2/(x + …)))). */
export function trueErfc(x: bigint): bigint {
  if (x < 0n) return 2n * ONE - trueErfc(-x);
  if (x < 3n * ONE) return ONE - trueErf(x);
  let fraction = 0n;
  for (let n = 300n; n >= 1n; n--) fraction = divide((n * ONE) / 2n, x + fraction);
  return divide(multiply(trueExp(-multiply(x, x)), TWO_OVER_SQRT_PI) / 2n, x + fraction);
}

export const trueNormalCdf = (x: bigint): bigint => trueErfc(-multiply(x, squareRoot(ONE / 2n))) / 2n;
export const trueGelu = (x: bigint): bigint => multiply(x, trueNormalCdf(x));
export const trueSoftplus = (x: bigint): bigint => trueLog(ONE + trueExp(x));

export const trueTanh = (x: bigint): bigint => divide(trueExp(2n * x) - ONE, trueExp(2n * x) + ONE);
export const trueSigmoid = (x: bigint): bigint => divide(trueExp(x), trueExp(x) + ONE);

/** How far a double is from the true value, in units of its last place. */
export function unitsOff(value: number, truth: bigint): number {
  const unit = 2 ** (Math.max(-1022, Math.floor(Math.log2(Math.abs(value)))) - 52);
  const difference = fixed(value) - truth;
  return Math.abs(Number((difference * 1000n) / fixed(unit))) / 1000;
}

export function worst(f: (x: number) => number, truth: (x: bigint) => bigint, points: readonly number[]): number {
  return Math.max(...points.map((x) => unitsOff(f(x), truth(fixed(x)))));
}

/** `count` evenly spaced points with a spacing that hits no round number. */
export function spread(from: number, to: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => from + ((to - from) * (i + Math.SQRT1_2)) / count);
}
