import { formatShape } from "../../tensor/errors.ts";
import { type Shape, sameShape } from "../../tensor/shape.ts";
import { Tensor } from "../../tensor/tensor.ts";
import type { GoldenCase, Tolerance } from "./golden-case.ts";

/** A value that should equal a recorded tensor. */
export interface Claim {
  readonly name: string;
  readonly value: Tensor | { readonly shape: Shape; readonly data: ArrayLike<number> | Promise<ArrayLike<number>> };
  readonly tolerance: Tolerance;
  /** Allowed besides, element by element: what rounding the recorded inputs changes. */
  readonly slack?: ArrayLike<number>;
}

/** Plain data that should equal what the case's JSON records: exactly, and in the same order. */
export interface Check {
  readonly name: string;
  readonly actual: unknown;
  readonly expected: unknown;
}

/** What a kind computes from a case. */
export interface Claims {
  readonly claims: readonly Claim[];
  readonly checks?: readonly Check[];
  /** Recorded tensors that went in; `in/…` and `weight/…` are taken for granted. */
  readonly inputs?: readonly string[];
}

export interface Comparison {
  /** Tensors and records compared. */
  readonly compared: number;
  /** The tensor with the largest error in units of its tolerance. */
  readonly worst: string | null;
  /** |actual − expected| at that place, and what was allowed there. */
  readonly largestError: number;
  readonly tolerance: number;
  /** One line a tensor that differs, has another shape, or was recorded but not computed. */
  readonly failures: readonly string[];
}

const exact: Tolerance = { atol: 0, rtol: 0 };

/** Compares every claim; a recorded tensor that is neither claimed nor an input is a failure too. */
export async function compare(golden: GoldenCase, { claims, checks = [], inputs = [] }: Claims): Promise<Comparison> {
  const failures: string[] = [];
  let worst = { name: null as string | null, ratio: -1, error: 0, allowed: 0 };
  for (const { name, value, tolerance, slack } of claims) {
    const expected = golden.entry(name);
    if (!sameShape(value.shape, expected.shape)) {
      failures.push(`${name}: computed ${formatShape(value.shape)}, recorded ${formatShape(expected.shape)}`);
      continue;
    }
    const actual = value instanceof Tensor ? await value.data() : await value.data;
    const floats = expected.data instanceof Float32Array || expected.data instanceof Float64Array;
    const difference = largest(actual, expected.data, floats ? tolerance : exact, slack);
    if (difference.ratio > worst.ratio) worst = { name, ...difference };
    if (difference.ratio > 1)
      failures.push(
        `${name}: differs by ${difference.error.toExponential(2)} at element ${difference.at}, ${difference.allowed.toExponential(2)} is allowed`,
      );
  }
  for (const { name, actual, expected } of checks)
    if (!isSame(actual, expected)) failures.push(`${name}: computed ${excerpt(actual)}, recorded ${excerpt(expected)}`);
  const seen = new Set([...claims.map(({ name }) => name), ...inputs]);
  for (const name of golden.tensors.keys())
    if (!seen.has(name) && !name.startsWith("in/") && !name.startsWith("weight/"))
      failures.push(`${name}: recorded but not computed`);
  const compared = claims.length + checks.length;
  if (compared === 0) failures.push("nothing was compared");
  return { compared, worst: worst.name, largestError: worst.error, tolerance: worst.allowed, failures };
}

/** Whether two values of plain data are the same: numbers to the sign of zero, NaN only itself, no key more or less. */
export function isSame(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (Object.getPrototypeOf(a) !== Object.getPrototypeOf(b)) return false;
  const [own, others] = [Object.entries(a), new Map(Object.entries(b))];
  return own.length === others.size && own.every(([key, value]) => others.has(key) && isSame(value, others.get(key)));
}

function excerpt(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 120 ? `${text.slice(0, 119)}…` : text;
}

/** The element with the largest error in units of what is allowed there; NaN is infinitely wrong unless recorded. */
function largest(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  { atol, rtol }: Tolerance,
  slack?: ArrayLike<number>,
) {
  let found = { ratio: 0, error: 0, allowed: atol, at: 0 };
  for (let at = 0; at < expected.length; at++) {
    const [a, e] = [actual[at]!, expected[at]!];
    if (Object.is(a, e) || a === e) continue;
    const error = Math.abs(a - e);
    const allowed = atol + rtol * Math.abs(e) + (slack?.[at] ?? 0);
    const ratio = Number.isNaN(error) ? Number.POSITIVE_INFINITY : error / allowed;
    if (ratio > found.ratio) found = { ratio, error, allowed, at };
  }
  return found;
}
