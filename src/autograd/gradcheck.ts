import { randn } from "../tensor/create.ts";
import { isFloat } from "../tensor/dtype.ts";
import { DTypeError } from "../tensor/errors.ts";
import type { Attributes, FusedName } from "../tensor/kernels.ts";
import { Rng } from "../tensor/rng.ts";
import { scope } from "../tensor/scope.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { applyFused, type Fused } from "./fused.ts";
import { grad } from "./grad.ts";
import { variable, withRecording } from "./graph.ts";
import { add, mul } from "./ops/arithmetic.ts";
import { sum } from "./ops/reduce.ts";

/** The part of a tap test that the checks use. */
export interface Asserter {
  ok(value: unknown, message: string): unknown;
}

export interface GradcheckOptions {
  /** 2 checks the derivative of the gradient too, and with it the pull-back rule itself. */
  readonly order?: 1 | 2;
  /** How many random directions. */
  readonly directions?: number;
  /** Largest accepted |analytic − numeric| / max(1, |analytic|, |numeric|). */
  readonly tolerance?: number;
  readonly seed?: number | string;
}

export interface GradcheckResult {
  readonly ok: boolean;
  /** The worst direction found. */
  readonly order: number;
  readonly analytic: number;
  readonly numeric: number;
  readonly error: number;
}

type Differentiable = (...xs: Tensor[]) => Tensor;

/** Half the distance of the outer points of the difference formula; balances its h⁴ error against rounding. */
const STEP = 2e-3;

/**
 * Compares the derivative of `f` in random directions with a central difference of fourth order, in float64:
 * for random u and v, d/dε ⟨u, f(x + ε v)⟩ against ⟨vjp(u), v⟩.
 *
 * @param inputs float64 tensors; int32 ones are passed through
 * @throws {DTypeError} for float32 inputs: differences of them have no digits left to compare
 */
export function gradcheck(
  f: Differentiable,
  inputs: readonly Tensor[],
  options: GradcheckOptions = {},
): GradcheckResult {
  const { order = 1, directions = 2, tolerance = 1e-7, seed = 0 } = options;
  const rng = new Rng(`gradcheck/${seed}`);
  let worst: GradcheckResult = { ok: true, order: 1, analytic: 0, numeric: 0, error: 0 };
  for (let i = 0; i < directions; i++) {
    const first = scope(() => checkDirection(f, inputs, rng));
    const results = [{ ...first, order: 1 }];
    if (order === 2) results.push({ ...scope(() => checkSecond(f, inputs, rng)), order: 2 });
    for (const result of results)
      if (!(result.error <= worst.error)) worst = { ...result, ok: result.error <= tolerance };
  }
  return worst;
}

function checkDirection(f: Differentiable, inputs: readonly Tensor[], rng: Rng): Omit<GradcheckResult, "ok" | "order"> {
  const moving = inputs.flatMap((x, i) => (isFloat(x.dtype) ? [i] : []));
  for (const i of moving)
    if (inputs[i]!.dtype !== "float64")
      throw new DTypeError(`gradcheck: input ${i} is ${inputs[i]!.dtype}; differences need float64`);
  const steps = moving.map((i) => randn(inputs[i]!.shape, rng, like(inputs[i]!)));
  const at = (epsilon: number) =>
    inputs.map((x, i) => (moving.includes(i) ? add(x, mul(steps[moving.indexOf(i)]!, epsilon)) : x));

  const xs = inputs.map((x, i) => (moving.includes(i) ? variable(x) : x));
  const y = withRecording(true, () => f(...xs));
  const u = randn(y.shape, rng, like(y));
  const grads = grad(
    y,
    moving.map((i) => xs[i]!),
    { seed: u, allowUnused: true },
  );
  const analytic = grads.reduce((total, g, k) => total + dot(g, steps[k]!), 0);
  const value = (epsilon: number) => dot(u, f(...at(epsilon)));
  const numeric = (8 * (value(STEP) - value(-STEP)) - (value(2 * STEP) - value(-2 * STEP))) / (12 * STEP);
  const error = Math.abs(analytic - numeric) / Math.max(1, Math.abs(analytic), Math.abs(numeric));
  return { analytic, numeric, error };
}

/** The same check of F(x, u) = ⟨vjp of f at x applied to u, v⟩, which is differentiated through the pull-back rule. */
function checkSecond(f: Differentiable, inputs: readonly Tensor[], rng: Rng): Omit<GradcheckResult, "ok" | "order"> {
  const moving = inputs.flatMap((x, i) => (isFloat(x.dtype) ? [i] : []));
  const steps = moving.map((i) => randn(inputs[i]!.shape, rng, like(inputs[i]!)));
  const y = f(...inputs);
  const u = randn(y.shape, rng, like(y));
  const projected: Differentiable = (...all) =>
    withRecording(true, () => {
      const seed = all.at(-1)!;
      const xs = all.slice(0, -1).map((x) => (isFloat(x.dtype) && x.origin === null ? variable(x) : x));
      const wanted = moving.map((i) => xs[i]!);
      const grads = grad(f(...xs), wanted, { seed, createGraph: true, allowUnused: true });
      return grads.map((g, k) => sum(mul(g, steps[k]!))).reduce((a, b) => add(a, b));
    });
  return checkDirection(projected, [...inputs, u], rng);
}

const like = ({ dtype, device }: Tensor) => ({ dtype, device });

function dot(a: Tensor, b: Tensor): number {
  const [x, y] = [a.dataSync(), b.dataSync()];
  let total = 0;
  for (let i = 0; i < x.length; i++) total += x[i]! * y[i]!;
  return total;
}

/** Asserts `gradcheck`. Second order by default, since it costs little and checks the rule itself. */
export function checkGrads(
  t: Asserter,
  f: Differentiable,
  inputs: readonly Tensor[],
  options: GradcheckOptions = {},
): void {
  const { ok, order, analytic, numeric, error } = gradcheck(f, inputs, { order: 2, ...options });
  t.ok(
    ok,
    `derivative of order ${order}: analytic ${analytic}, numeric ${numeric}, relative error ${error.toExponential(2)}`,
  );
}

/**
 * Asserts that a fused function equals its definition in value and in gradient: its rule against the definition's
 * derivative on the device of the inputs, and both orders against differences where that device holds float64.
 *
 * @param tolerance largest accepted |difference| / max(1, |expected|) of any element
 */
export function checkFused<K extends FusedName>(
  t: Asserter,
  fused: Fused<K>,
  inputs: readonly Tensor[],
  attributes: Attributes<K>,
  { tolerance = inputs[0]!.dtype === "float64" ? 1e-11 : 2e-5, seed = 0 }: { tolerance?: number; seed?: number } = {},
): void {
  const rng = new Rng(`checkFused/${seed}`);
  const moving = fused.vjp === "none" ? [] : inputs.flatMap((x, i) => (isFloat(x.dtype) ? [i] : []));
  const run = (f: (xs: readonly Tensor[]) => Tensor, u?: Tensor) => {
    const xs = inputs.map((x, i) => (moving.includes(i) ? variable(x) : x));
    const y = f(xs);
    const seedOf = u ?? randn(y.shape, rng, like(y));
    const grads = moving.length
      ? grad(
          y,
          moving.map((i) => xs[i]!),
          { seed: seedOf, allowUnused: true },
        )
      : [];
    return { results: [y, ...grads], u: seedOf };
  };
  const actual = run((xs) => applyFused(fused, xs, attributes));
  const expected = run((xs) => fused.definition(xs, attributes), actual.u);
  actual.results.forEach((result, i) => {
    const error = largestError(result, expected.results[i]!);
    t.ok(
      error <= tolerance,
      `${fused.name}: ${i === 0 ? "value" : `gradient of input ${moving[i - 1]}`} differs from the definition by ${error.toExponential(2)}`,
    );
  });
  if (moving.length && inputs[0]!.dtype === "float64")
    checkGrads(t, (...xs) => applyFused(fused, xs, attributes), inputs, { seed });
}

function largestError(actual: Tensor, expected: Tensor): number {
  const [x, y] = [actual.dataSync(), expected.dataSync()];
  if (x.length !== y.length) return Number.POSITIVE_INFINITY;
  let worst = 0;
  for (let i = 0; i < x.length; i++) {
    if (Object.is(x[i], y[i])) continue;
    const error = Math.abs(x[i]! - y[i]!) / Math.max(1, Math.abs(y[i]!));
    worst = error > worst || Number.isNaN(error) ? error : worst;
  }
  return Number.isNaN(worst) ? Number.POSITIVE_INFINITY : worst;
}
