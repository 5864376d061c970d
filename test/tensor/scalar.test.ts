import fc from "fast-check";
import t from "tap";
import { erf, sigmoid, tanh } from "../../src/tensor/backends/cpu/scalar.ts";

/*
 * The true values: whole numbers of 320 fractional bits. The power series of exp and erf lose at most a few hundred of
 * the last bits' units for |x| ≤ 30, far below the 53 bits under test; π comes from Machin's arctangents.
 */
const BITS = 320n;
const ONE = 1n << BITS;

/** A double, exactly. */
function fixed(x: number): bigint {
  const words = new DataView(new ArrayBuffer(8));
  words.setFloat64(0, x);
  const bits = words.getBigUint64(0);
  const exponent = (bits >> 52n) & 0x7ffn;
  const mantissa = (bits & ((1n << 52n) - 1n)) | (exponent ? 1n << 52n : 0n);
  const shift = (exponent || 1n) - 1075n + BITS;
  const size = shift >= 0n ? mantissa << shift : mantissa >> -shift;
  return x < 0 ? -size : size;
}

const multiply = (a: bigint, b: bigint): bigint => (a * b) >> BITS;
const divide = (a: bigint, b: bigint): bigint => (a << BITS) / b;

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
function trueExp(x: bigint): bigint {
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
const PI = 16n * arctangentOfInverse(5n) - 4n * arctangentOfInverse(239n);
const TWO_OVER_SQRT_PI = divide(2n * ONE, squareRoot(PI));

function trueErf(x: bigint): bigint {
  const square = multiply(x, x);
  const integral = series(
    x,
    (term, n) => -multiply(term, square) / (n + 1n),
    (n) => 2n * n + 1n,
  );
  return multiply(integral, TWO_OVER_SQRT_PI);
}

const trueTanh = (x: bigint): bigint => divide(trueExp(2n * x) - ONE, trueExp(2n * x) + ONE);
const trueSigmoid = (x: bigint): bigint => divide(trueExp(x), trueExp(x) + ONE);

/** How far a double is from the true value, in units of its last place. */
function unitsOff(value: number, truth: bigint): number {
  const unit = 2 ** (Math.max(-1022, Math.floor(Math.log2(Math.abs(value)))) - 52);
  const difference = fixed(value) - truth;
  return Math.abs(Number((difference * 1000n) / fixed(unit))) / 1000;
}

function worst(f: (x: number) => number, truth: (x: bigint) => bigint, points: readonly number[]): number {
  return Math.max(...points.map((x) => unitsOff(f(x), truth(fixed(x)))));
}

/** `count` evenly spaced points with a spacing that hits no round number. */
function spread(from: number, to: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => from + ((to - from) * (i + Math.SQRT1_2)) / count);
}

t.test("the reference agrees with known digits", async (t) => {
  const digits = (x: bigint): string => ((x * 10n ** 40n) >> BITS).toString();
  t.equal(digits(PI), "31415926535897932384626433832795028841971");
  t.equal(digits(trueExp(ONE)), "27182818284590452353602874713526624977572");
  t.ok(digits(trueErf(ONE / 2n)).startsWith("52049987781304653768274665389196"), "erf(1/2)");
});

t.test("erf is within 1.5 units in the last place", async (t) => {
  const named = [1e-300, 2 ** -1022, 1e-20, 1e-8, 0.125, 0.49999999999999994, 0.5, 0.625, 1, 3, 5.875, 5.9, 5.999];
  const around = [0.5, 1, 3, 5.9].flatMap((x) => spread(x - 0.01, x + 0.01, 20));
  const points = [...named.slice(2), ...around, ...spread(0, 0.5, 200), ...spread(0.5, 2, 300), ...spread(2, 6, 200)];
  t.ok(worst(erf, trueErf, points) <= 1.5);
  for (const x of named.slice(0, 2)) t.ok(Math.abs(erf(x) / x - 1.1283791670955126) < 1e-15, `erf(${x}) = 2x/√π`);
  t.equal(erf(6), 1);
  t.equal(erf(1e300), 1);
});

t.test("tanh is within 1.5 units, sigmoid within 2", async (t) => {
  t.ok(worst(tanh, trueTanh, [1e-20, 1e-5, ...spread(0, 1, 400), ...spread(1, 3, 200), ...spread(3, 20, 60)]) <= 1.5);
  t.ok(worst(sigmoid, trueSigmoid, [...spread(-30, -3, 200), ...spread(-3, 3, 400), ...spread(3, 30, 100)]) <= 2);
  t.equal(tanh(5e-324), 5e-324);
  t.equal(sigmoid(-745), Math.exp(-745));
});

t.test("erf and tanh are odd and increase; sigmoid(x) + sigmoid(−x) = 1", async () =>
  fc.assert(
    fc.property(fc.double({ noNaN: true }), fc.double({ min: 0, max: 1, noNaN: true }), (x, step) => {
      for (const f of [erf, tanh])
        if (!Object.is(f(-x), -f(x)) || f(x + step) - f(x) < -3e-16) throw new Error(`${f.name}(${x}), ${step}`);
      if (Math.abs(sigmoid(x) + sigmoid(-x) - 1) > 3e-16) throw new Error(`sigmoid(${x})`);
    }),
  ),
);
