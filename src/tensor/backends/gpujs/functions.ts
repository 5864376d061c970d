/**
 * Scalar functions as source, written once for all modes. They compute in the mode's precision: float64 in `cpu` mode,
 * float32 elsewhere, where rounding alone leaves errors of some 1e-7. Constants are the `wasm` device's.
 */
export interface ScalarFunction {
  readonly source: string;
  /** Other functions that it calls. */
  readonly uses?: readonly ScalarName[];
}

/** c₀ + t (c₁ + t (c₂ + …)). */
function polynomial(t: string, coefficients: readonly number[]): string {
  return coefficients.reduceRight((inner, c) => (inner ? `(${c} + ${t} * ${inner})` : `(${c})`), "");
}

/** 32 bits in four bytes, the uppermost first: a literal of more than 24 bits may be read as float32. */
const bytes = (bits: number) => [24, 16, 8, 0].map((shift) => `${(bits >>> shift) & 0xff}.0`).join(", ");

/** e^(t²) erfc(t) for 0 ≤ t ≤ 15, as u P(u) with u = 1 / (1 + 0.42 t). */
const SCALED_ERFC = [
  ...[0.23697249591350555, 0.23662911355495453, 0.21974687278270721, 0.15076430141925812, 0.21153812110424042],
  ...[-0.19304585456848145, 0.4317648112773895, -0.4824269413948059, 0.22883634269237518, -0.04077925905585289],
];
/** erf(x) / x − 1 near 0, in x². */
const ERF_NEAR_ZERO = [
  ...[0.12837916612625122, -0.3761262595653534, 0.11283600330352783, -0.026854444295167923],
  ...[0.005189535208046436, -0.0008020841050893068, 7.889119297033176e-5],
];

export type ScalarName = keyof typeof scalarFunctions;

export const scalarFunctions = {
  /** ⌊a / b⌋ of whole numbers below 2²⁴, a divisor above 0: the product is exact where the quotient may not be. */
  quotient: {
    source: `function quotient(a, b) {
      const near = Math.floor(a / b);
      const rest = a - near * b;
      if (rest >= b) { return near + 1.0; }
      if (rest < 0.0) { return near - 1.0; }
      return near;
    }`,
  },
  /** σ(x), without overflow. */
  sigmoid: {
    source: `function sigmoid(x) {
      const e = Math.exp(-Math.abs(x));
      if (x < 0.0) { return e / (1.0 + e); }
      return 1.0 / (1.0 + e);
    }`,
  },
  /** aᵇ as IEEE 754 has it: 1 for a = 1 and any b, and for a = −1 and b = ±∞. */
  power: {
    source: `function power(a, b) {
      if (a === 1.0) { return 1.0; }
      if (a === -1.0 && Math.abs(b) === Infinity) { return 1.0; }
      return Math.pow(a, b);
    }`,
  },
  scaledErfc: {
    source: `function scaledErfc(t) {
      const u = 1.0 / (1.0 + 0.42 * t);
      return u * ${polynomial("u", SCALED_ERFC)};
    }`,
  },
  /** e^(−scale x²) for x ≥ 0: the square in two parts, since its rounding error would be multiplied by its size. */
  expOfSquare: {
    source: `function expOfSquare(x, scale) {
      const high = Math.floor(x * 16.0) * 0.0625;
      return Math.exp(-scale * high * high) * Math.exp(-scale * (x - high) * (x + high));
    }`,
  },
  erf: {
    source: `function erf(x) {
      const size = Math.abs(x);
      const square = x * x;
      if (size < 1.0) { return x + x * ${polynomial("square", ERF_NEAR_ZERO)}; }
      if (size >= 10.0) { return Math.sign(x); }
      return Math.sign(x) * (1.0 - scaledErfc(size) * expOfSquare(size, 1.0));
    }`,
    uses: ["scaledErfc", "expOfSquare"],
  },
  /** 2 Φ(−√2 x). From 10.2 on the value has no float32. */
  erfc: {
    source: `function erfc(x) {
      const size = Math.abs(x);
      if (size >= 10.2) { return 1.0 - Math.sign(x); }
      const tail = scaledErfc(size) * expOfSquare(size, 1.0);
      if (x < 0.0) { return 2.0 - tail; }
      return tail;
    }`,
    uses: ["scaledErfc", "expOfSquare"],
  },
  /** Φ(x) = ½ erfc(−x / √2). From 14.4 on the tail has no float32. */
  normalCdf: {
    source: `function normalCdf(x) {
      const size = Math.abs(x);
      if (size >= 14.4) { return 0.5 + 0.5 * Math.sign(x); }
      const tail = 0.5 * scaledErfc(size * 0.7071067811865476) * expOfSquare(size, 0.5);
      if (x > 0.0) { return 1.0 - tail; }
      return tail;
    }`,
    uses: ["scaledErfc", "expOfSquare"],
  },
  /** GELU. */
  timesNormalCdf: {
    source: `function timesNormalCdf(x) {
      return x * normalCdf(x);
    }`,
    uses: ["normalCdf"],
  },
  /**
   * Float to int32 as JavaScript does it: the fraction is dropped, NaN and ±∞ give 0, the rest wraps modulo 2³². All
   * float32 beyond 2⁵⁶ are multiples of 2³². (1e39 would do for ∞ alone, but WGSL refuses it.)
   */
  toInt32: {
    source: `function toInt32(x) {
      if (!(Math.abs(x) < 1.0e17)) { return 0.0; }
      const whole = Math.trunc(x);
      if (Math.abs(whole) < 2147483648.0) { return whole; }
      const wrapped = whole - Math.floor(whole * 2.3283064365386963e-10) * 4294967296.0;
      if (wrapped >= 2147483648.0) { return wrapped - 4294967296.0; }
      return wrapped;
    }`,
  },
  /** Numbers by size, NaN above ∞; zeros of both signs are equal. */
  compareValues: {
    source: `function compareValues(a, b) {
      if (a < b) { return -1.0; }
      if (a > b) { return 1.0; }
      let order = 0.0;
      if (a !== a) { order += 1.0; }
      if (b !== b) { order -= 1.0; }
      return order;
    }`,
  },
  /** a ⊕ b of whole numbers below 2¹⁶, bit by bit: not every mode has integers. */
  exclusiveOr: {
    source: `function exclusiveOr(a, b) {
      let result = 0.0;
      let bit = 1.0;
      let x = a;
      let y = b;
      for (let i = 0; i < 16; i++) {
        const halfX = Math.floor(x * 0.5);
        const halfY = Math.floor(y * 0.5);
        if (x - 2.0 * halfX !== y - 2.0 * halfY) { result += bit; }
        x = halfX;
        y = halfY;
        bit = 2.0 * bit;
      }
      return result;
    }`,
  },
  /**
   * Of the product modulo 2³² of two numbers the upper 16 bits (part 1) or the lower 16 (part 0). The first is given in
   * two halves, the second in four bytes: so no product or sum has more than the 24 bits of float32. Powers of two
   * are divided by as products, which are exact with every driver.
   */
  productHalf: {
    source: `function productHalf(high, low, b3, b2, b1, b0, part) {
      const a3 = Math.floor(high * 0.00390625);
      const a2 = high - 256.0 * a3;
      const a1 = Math.floor(low * 0.00390625);
      const a0 = low - 256.0 * a1;
      const s0 = a0 * b0;
      const c0 = Math.floor(s0 * 0.00390625);
      const s1 = c0 + a0 * b1 + a1 * b0;
      const c1 = Math.floor(s1 * 0.00390625);
      if (part < 0.5) { return (s1 - 256.0 * c1) * 256.0 + s0 - 256.0 * c0; }
      const s2 = c1 + a0 * b2 + a1 * b1 + a2 * b0;
      const c2 = Math.floor(s2 * 0.00390625);
      const s3 = c2 + a0 * b3 + a1 * b2 + a2 * b1 + a3 * b0;
      return (s3 - 256.0 * Math.floor(s3 * 0.00390625)) * 256.0 + s2 - 256.0 * c2;
    }`,
  },
  /** 24 random bits of a cell and a seed in two halves: those of the `cpu` device, its 32-bit arithmetic in halves. */
  randomBits: {
    source: `function randomBits(cell, seedHigh, seedLow) {
      const cellHigh = Math.floor(cell * 0.0000152587890625);
      const cellLow = cell - 65536.0 * cellHigh;
      const low0 = productHalf(cellHigh, cellLow, ${bytes(0x9e3779b1)}, 0.0) + seedLow;
      const carry = Math.floor(low0 * 0.0000152587890625);
      const high0 = productHalf(cellHigh, cellLow, ${bytes(0x9e3779b1)}, 1.0) + seedHigh + carry;
      const high1 = high0 - 65536.0 * Math.floor(high0 * 0.0000152587890625);
      const low1 = exclusiveOr(low0 - 65536.0 * carry, high1);
      const high2 = productHalf(high1, low1, ${bytes(0x85ebca6b)}, 1.0);
      const low2 = productHalf(high1, low1, ${bytes(0x85ebca6b)}, 0.0);
      const upper = Math.floor(high2 * 0.0001220703125);
      const high3 = exclusiveOr(high2, upper);
      const low3 = exclusiveOr(low2, (high2 - 8192.0 * upper) * 8.0 + Math.floor(low2 * 0.0001220703125));
      const high4 = productHalf(high3, low3, ${bytes(0xc2b2ae35)}, 1.0);
      const low4 = productHalf(high3, low3, ${bytes(0xc2b2ae35)}, 0.0);
      return high4 * 256.0 + Math.floor(exclusiveOr(low4, high4) * 0.00390625);
    }`,
    uses: ["exclusiveOr", "productHalf"],
  },
} as const satisfies Readonly<Record<string, ScalarFunctionOf<string>>>;

interface ScalarFunctionOf<Name extends string> extends Omit<ScalarFunction, "uses"> {
  readonly uses?: readonly Name[];
}

/** How many numbers a function takes. */
export function parametersOf({ source }: ScalarFunction): number {
  return /\((.*?)\)/.exec(source)![1]!.split(",").length;
}

/** The functions that a source calls, those that they call included. */
export function functionsIn(source: string): [ScalarName, ScalarFunction][] {
  const found = new Map<ScalarName, ScalarFunction>();
  const add = (name: ScalarName): void => {
    if (found.has(name)) return;
    const f: ScalarFunction = scalarFunctions[name];
    for (const used of f.uses ?? []) add(used);
    found.set(name, f);
  };
  for (const [, name] of source.matchAll(/\b([a-zA-Z]\w*)\(/g))
    if (Object.hasOwn(scalarFunctions, name!)) add(name as ScalarName);
  return [...found];
}
