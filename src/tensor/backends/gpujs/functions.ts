/**
 * Scalar functions as source, written once for all modes. They compute in the mode's precision: float64 in `cpu` mode,
 * float32 elsewhere, where rounding alone leaves errors of some 1e-7. Constants are the `wasm` device's.
 */
export interface ScalarFunction {
  readonly source: string;
  readonly argumentTypes: readonly ("Number" | "Integer")[];
  readonly returnType: "Number" | "Integer";
  /** Other functions that it calls. */
  readonly uses?: readonly ScalarName[];
}

/** c₀ + t (c₁ + t (c₂ + …)). */
function polynomial(t: string, coefficients: readonly number[]): string {
  return coefficients.reduceRight((inner, c) => (inner ? `(${c} + ${t} * ${inner})` : `(${c})`), "");
}

/** 32 bits in two halves: a literal of more than 24 may be read as float32. */
const halves = (bits: number) => `${bits >>> 16}, ${bits & 0xffff}`;

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
  /** σ(x), without overflow. */
  sigmoid: {
    source: `function sigmoid(x) {
      const e = Math.exp(-Math.abs(x));
      if (x < 0.0) { return e / (1.0 + e); }
      return 1.0 / (1.0 + e);
    }`,
    argumentTypes: ["Number"],
    returnType: "Number",
  },
  /** aᵇ as IEEE 754 has it: 1 for a = 1 and any b, and for a = −1 and b = ±∞. */
  power: {
    source: `function power(a, b) {
      if (a === 1.0) { return 1.0; }
      if (a === -1.0 && Math.abs(b) === Infinity) { return 1.0; }
      return Math.pow(a, b);
    }`,
    argumentTypes: ["Number", "Number"],
    returnType: "Number",
  },
  scaledErfc: {
    source: `function scaledErfc(t) {
      const u = 1.0 / (1.0 + 0.42 * t);
      return u * ${polynomial("u", SCALED_ERFC)};
    }`,
    argumentTypes: ["Number"],
    returnType: "Number",
  },
  /** e^(−scale x²) for x ≥ 0: the square in two parts, since its rounding error would be multiplied by its size. */
  expOfSquare: {
    source: `function expOfSquare(x, scale) {
      const high = Math.floor(x * 16.0) / 16.0;
      return Math.exp(-scale * high * high) * Math.exp(-scale * (x - high) * (x + high));
    }`,
    argumentTypes: ["Number", "Number"],
    returnType: "Number",
  },
  erf: {
    source: `function erf(x) {
      const size = Math.abs(x);
      const square = x * x;
      if (size < 1.0) { return x + x * ${polynomial("square", ERF_NEAR_ZERO)}; }
      if (size >= 10.0) { return Math.sign(x); }
      return Math.sign(x) * (1.0 - scaledErfc(size) * expOfSquare(size, 1.0));
    }`,
    argumentTypes: ["Number"],
    returnType: "Number",
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
    argumentTypes: ["Number"],
    returnType: "Number",
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
    argumentTypes: ["Number"],
    returnType: "Number",
    uses: ["scaledErfc", "expOfSquare"],
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
      const wrapped = whole - Math.floor(whole / 4294967296.0) * 4294967296.0;
      if (wrapped >= 2147483648.0) { return wrapped - 4294967296.0; }
      return wrapped;
    }`,
    argumentTypes: ["Number"],
    returnType: "Number",
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
    argumentTypes: ["Number", "Number"],
    returnType: "Number",
  },
  /** h ⊕ (h >>> 16), a step of MurmurHash3's finaliser; integers live in arguments, since locals may be float32. */
  foldUpper16: {
    source: "function foldUpper16(h) { return h ^ (h >>> 16); }",
    argumentTypes: ["Integer"],
    returnType: "Integer",
  },
  foldUpper13: {
    source: "function foldUpper13(h) { return h ^ (h >>> 13); }",
    argumentTypes: ["Integer"],
    returnType: "Integer",
  },
  /** a (2¹⁶ high + low) modulo 2³²: in halves, since `Math.imul` is one of float32 in `webasm` mode. */
  multiplyWhole: {
    source: `function multiplyWhole(a, high, low) {
      return ((((a >>> 16) * low + (a & 65535) * high) << 16) + (a & 65535) * low) | 0;
    }`,
    argumentTypes: ["Integer", "Integer", "Integer"],
    returnType: "Integer",
  },
  /** 24 random bits of (cell, seed): those of the `cpu` device. */
  randomBits: {
    source: `function randomBits(cell, seed) {
      return foldUpper16(multiplyWhole(foldUpper13(multiplyWhole(foldUpper16(
        multiplyWhole(cell, ${halves(0x9e3779b1)}) + seed), ${halves(0x85ebca6b)})), ${halves(0xc2b2ae35)})) >>> 8;
    }`,
    argumentTypes: ["Integer", "Integer"],
    returnType: "Integer",
    uses: ["foldUpper16", "foldUpper13", "multiplyWhole"],
  },
} as const satisfies Readonly<Record<string, ScalarFunctionOf<string>>>;

interface ScalarFunctionOf<Name extends string> extends Omit<ScalarFunction, "uses"> {
  readonly uses?: readonly Name[];
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
