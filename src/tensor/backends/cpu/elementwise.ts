import type { Attributes } from "../../kernels.ts";
import { erfc, normalCdf } from "./normal.ts";
import { erf, pow, sigmoid, tanh } from "./scalar.ts";
import type { CpuKernels, CpuView } from "./types.ts";
import { broadcast, copy, forEachRow } from "./views.ts";

/** All functions compute in double precision; storing a cell rounds it to the output's dtype. */
export const elementwise: Pick<
  CpuKernels,
  | "add"
  | "sub"
  | "mul"
  | "div"
  | "pow"
  | "maximum"
  | "minimum"
  | "equal"
  | "less"
  | "lessEqual"
  | "where"
  | "neg"
  | "abs"
  | "sign"
  | "exp"
  | "expm1"
  | "log"
  | "log1p"
  | "sqrt"
  | "tanh"
  | "sigmoid"
  | "erf"
  | "erfc"
  | "normalCdf"
  | "sin"
  | "cos"
  | "dropout"
  | "cast"
> = {
  add: binary((a, b) => a + b),
  sub: binary((a, b) => a - b),
  mul: (inputs, out) => mapPairs(multiplier(out), inputs, out),
  div: binary((a, b) => a / b),
  pow: binary(pow),
  maximum: binary(Math.max),
  minimum: binary(Math.min),
  equal: binary((a, b) => (a === b ? 1 : 0)),
  less: binary((a, b) => (a < b ? 1 : 0)),
  lessEqual: binary((a, b) => (a <= b ? 1 : 0)),
  where,
  neg: unary((x) => -x),
  abs: unary(Math.abs),
  sign: unary(Math.sign),
  exp: unary(Math.exp),
  expm1: unary(Math.expm1),
  log: unary(Math.log),
  log1p: unary(Math.log1p),
  sqrt: unary(Math.sqrt),
  tanh: unary(tanh),
  sigmoid: unary(sigmoid),
  erf: unary(erf),
  erfc: unary(erfc),
  normalCdf: unary(normalCdf),
  sin: unary(Math.sin),
  cos: unary(Math.cos),
  dropout,
  /** Float to int32 drops the fraction; NaN and ±∞ give 0, and what int32 cannot hold wraps modulo 2³². */
  cast: ([x], out) => copy(x, out),
};

/** The product in the dtype of `out`: int32 wraps exactly modulo 2³². */
export function multiplier(out: CpuView): (a: number, b: number) => number {
  return out.data instanceof Int32Array ? Math.imul : (a, b) => a * b;
}

function unary(f: (x: number) => number): (inputs: readonly CpuView[], out: CpuView) => void {
  return ([x], out) => {
    const source = x.data;
    const target = out.data;
    forEachRow([x, out], ([i, o], [stepI, stepO], length) => {
      for (let n = 0; n < length; n++) target[o + n * stepO!] = f(source[i + n * stepI!]);
    });
  };
}

function binary(f: (a: number, b: number) => number): (inputs: readonly CpuView[], out: CpuView) => void {
  return (inputs, out) => mapPairs(f, inputs, out);
}

function mapPairs(f: (a: number, b: number) => number, [a, b]: readonly CpuView[], out: CpuView): void {
  const left = a.data;
  const right = b.data;
  const target = out.data;
  const views = [broadcast(a, out.shape), broadcast(b, out.shape), out];
  forEachRow(views, ([i, j, o], [stepI, stepJ, stepO], length) => {
    for (let n = 0; n < length; n++) target[o + n * stepO!] = f(left[i + n * stepI!], right[j + n * stepJ!]);
  });
}

function where([condition, x, y]: readonly CpuView[], out: CpuView): void {
  const chosen = condition.data;
  const yes = x.data;
  const no = y.data;
  const target = out.data;
  const views = [condition, x, y].map((view) => broadcast(view, out.shape));
  forEachRow([...views, out], ([c, i, j, o], [stepC, stepI, stepJ, stepO], length) => {
    for (let n = 0; n < length; n++)
      target[o + n * stepO!] = chosen[c + n * stepC!] !== 0 ? yes[i + n * stepI!] : no[j + n * stepJ!];
  });
}

function dropout([x]: readonly CpuView[], out: CpuView, { probability, seed }: Attributes<"dropout">): void {
  const source = x.data;
  const target = out.data;
  let cell = 0;
  forEachRow([x, out], ([i, o], [stepI, stepO], length) => {
    for (let n = 0; n < length; n++) {
      const kept = uniformOf(cell++, seed) >= probability;
      target[o + n * stepO!] = kept ? source[i + n * stepI!] / (1 - probability) : 0;
    }
  });
}

/**
 * Uniform in [0, 1), 24 bits, a function of (cell, seed) alone so that any split of the work draws the same: a Weyl
 * sequence through the finaliser of MurmurHash3 (Appleby 2011), in 32-bit arithmetic.
 */
function uniformOf(cell: number, seed: number): number {
  let h = (Math.imul(cell, 0x9e3779b1) + seed) | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return ((h ^ (h >>> 16)) >>> 8) * 2 ** -24;
}
