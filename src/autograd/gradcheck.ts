import { randn } from "../tensor/create.ts";
import { isFloat } from "../tensor/dtype.ts";
import { ConfigError } from "../tensor/errors.ts";
import { Rng } from "../tensor/rng.ts";
import { scope } from "../tensor/scope.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { diagnose, type GradcheckHint, hintOfFailure, position } from "./diagnosis.ts";
import {
  type Comparison,
  catchFailure,
  compare,
  compareElements,
  type Differentiable,
  elementDirection,
  lineAlong,
  movingInputs,
  type Projection,
  PullBackFailure,
  project,
  randomDirection,
} from "./differences.ts";
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
  /**
   * "random" compares directional derivatives: a few evaluations of f, whatever the size. "full" moves every element of
   * every input by itself. Where a random direction fails, the elements are searched as in "full".
   */
  readonly mode?: "random" | "full";
  /** How many random directions of the result, and in mode "random" of the inputs. */
  readonly directions?: number;
  /** Largest accepted relative error. */
  readonly tolerance?: number;
  /** Half the distance of the outer points of the difference formula. */
  readonly step?: number;
  readonly seed?: number | string;
}

export interface GradcheckResult extends Comparison {
  readonly ok: boolean;
  /** Where the worst of what was compared was found: the order of the derivative … */
  readonly order: 1 | 2;
  /** … and the input and the flat index of its element; null for a random direction. */
  readonly input: number | null;
  readonly element: number | null;
  /** Both in words: "input 0, element [1, 2]". */
  readonly where: string;
  readonly tolerance: number;
  /** The likely cause, if it is not ok. */
  readonly hint: GradcheckHint | null;
}

/** Leaves an error of about 2·10⁻¹⁵ φ⁽⁵⁾ by the formula and 7·10⁻¹³ φ by rounding, both far below the tolerance. */
const STEP = 5e-4;
/** Most elements that are searched one by one after a random direction failed. */
const SEARCHED = 2000;

/**
 * Compares the pull-back of `f` with central differences of fourth order, in float64: for a random u and φ(t) =
 * ⟨u, f(x + t v)⟩,
 *
 *   ⟨pull-back of u, v⟩  against  φ′(0) ≈ (8 (φ(h) − φ(−h)) − (φ(2h) − φ(−2h))) / 12h
 *
 * for random v or for every element of x (Baydin et al. 2018, §2.1, on the error of differences). Order 2 does the same
 * with (x, u) ↦ ⟨pull-back of u at x, w⟩ for a random w, which is differentiated through the pull-back.
 * If they disagree, probes look for the reason: see the result's `hint`, and `formatGradcheck` for all in words.
 *
 * @param f answers one float64 tensor; called often, it must always do the same
 * @param inputs float64 tensors; int32 ones are passed through
 * @throws {DTypeError} for float32: differences of it have no digits left to compare
 * @throws {GradientError} when no input can be moved
 */
export function gradcheck(
  f: Differentiable,
  inputs: readonly Tensor[],
  options: GradcheckOptions = {},
): GradcheckResult {
  return check(f, inputs, options.order === 2 ? [1, 2] : [1], options);
}

/** `gradcheck` of the second order alone: of the gradient's own derivative. */
export function gradgradcheck(
  f: Differentiable,
  inputs: readonly Tensor[],
  options: Omit<GradcheckOptions, "order"> = {},
): GradcheckResult {
  return check(f, inputs, [2], options);
}

function check(
  f: Differentiable,
  inputs: readonly Tensor[],
  orders: readonly (1 | 2)[],
  options: GradcheckOptions,
): GradcheckResult {
  const { mode = "random", directions = mode === "random" ? 2 : 1, tolerance = 1e-7, step = STEP, seed = 0 } = options;
  const settings = { mode, tolerance, step };
  const rng = new Rng(`gradcheck/${seed}`);
  movingInputs(inputs);
  let worst: GradcheckResult | null = null;
  for (let i = 0; i < directions; i++)
    for (const order of orders) {
      const result = scope(() => checkOnce(f, inputs, order, settings, rng));
      if (!result.ok) return result;
      if (!worst || result.relativeError > worst.relativeError) worst = result;
    }
  if (!worst) throw new ConfigError(`gradcheck: ${directions} directions check nothing`);
  return worst;
}

type Settings = Required<Pick<GradcheckOptions, "mode" | "tolerance" | "step">>;

/** One order, with one random direction of the result. */
function checkOnce(
  f: Differentiable,
  inputs: readonly Tensor[],
  order: 1 | 2,
  settings: Settings,
  rng: Rng,
): GradcheckResult {
  const { tolerance } = settings;
  try {
    const projection = order === 1 ? project(f, inputs, rng) : projectPullBack(f, inputs, rng);
    const { hint, input, element, ...comparison } = inspect(projection, order, settings, rng);
    const where = whereOf(projection, order, input, element);
    return { ok: hint === null, order, where, ...comparison, input, element, tolerance, hint };
  } catch (error) {
    if (!(error instanceof PullBackFailure)) throw error;
    const unknown = { analytic: Number.NaN, numeric: Number.NaN, absoluteError: Number.NaN, relativeError: Number.NaN };
    const nowhere = { input: null, element: null, where: "the first pull-back" };
    return { ok: false, order, ...nowhere, ...unknown, tolerance, hint: hintOfFailure(error) };
  }
}

interface Finding extends Comparison {
  readonly input: number | null;
  readonly element: number | null;
}

/** What was compared, or the worst of it; with a hint if it is wrong. */
function inspect(
  projection: Projection,
  order: 1 | 2,
  { mode, tolerance, step }: Settings,
  rng: Rng,
): Finding & { hint: GradcheckHint | null } {
  const isWrong = ({ relativeError }: Comparison) => !(relativeError <= tolerance);
  const random = lineAlong(projection, randomDirection(projection, rng));
  const along: Finding = { ...compare(random, step), input: null, element: null };
  if (mode === "random" && !isWrong(along)) return { ...along, hint: null };

  const size = projection.moving.reduce((total, i) => total + projection.inputs[i]!.size, 0);
  const elements = mode === "full" || size <= SEARCHED ? compareElements(projection, step) : [];
  const [first, ...others] = elements;
  const worst = first && others.reduce((a, b) => (isWorse(b, a) ? b : a), first);
  const found = worst && (mode === "full" || isWrong(worst)) ? worst : along;
  if (!isWrong(found)) return { ...found, hint: null };
  const line =
    found === worst ? lineAlong(projection, elementDirection(projection, worst.input, worst.element)) : random;
  const subject = order === 1 ? "f" : "the pull-back";
  return { ...found, hint: diagnose({ subject, projection, line, found, elements, step, tolerance }) };
}

/** NaN is worse than any number. */
const isWorse = (a: Comparison, b: Comparison) =>
  !Number.isNaN(b.relativeError) && !(a.relativeError <= b.relativeError);

/** The pull-back as a function of its own: (x, u) ↦ ⟨pull-back of u at x, w⟩ for a random w. @throws {PullBackFailure} */
function projectPullBack(f: Differentiable, inputs: readonly Tensor[], rng: Rng): Projection {
  const moving = movingInputs(inputs);
  const w = moving.map((i) => randn(inputs[i]!.shape, rng, like(inputs[i]!)));
  const y = f(...inputs);
  const u = randn(y.shape, rng, like(y));
  const projected: Differentiable = (...all) =>
    withRecording(true, () => {
      const seed = all.at(-1)!;
      const xs = all.slice(0, -1).map((x) => (isFloat(x.dtype) && x.origin === null ? variable(x) : x));
      const wanted = moving.map((i) => xs[i]!);
      const grads = grad(f(...xs), wanted, { seed, createGraph: true, allowUnused: true });
      return grads.map((g, k) => sum(mul(g, w[k]!))).reduce((a, b) => add(a, b));
    });
  return catchFailure(() => project(projected, [...inputs, u], rng));
}

function whereOf({ inputs }: Projection, order: 1 | 2, input: number | null, element: number | null): string {
  if (input === null || element === null) return "a random direction";
  const name = order === 2 && input === inputs.length - 1 ? "the seed" : `input ${input}`;
  return `${name}, element ${position(inputs[input]!, element)}`;
}

/** A result in one sentence: what was compared where, and what is likely to be wrong. */
export function formatGradcheck(result: GradcheckResult): string {
  const { ok, order, where, analytic, numeric, absoluteError, relativeError, tolerance, hint } = result;
  const values = `analytic ${analytic}, numeric ${numeric}`;
  const error = `relative error ${relativeError.toExponential(1)}`;
  if (ok) return `derivative of order ${order}: ${values} at worst, in ${where}; ${error}`;
  const errors = `absolute error ${absoluteError.toExponential(1)}, ${error}, ${tolerance} is accepted`;
  return `derivative of order ${order} is wrong in ${where}: ${values} (${errors}). ${hint?.cause}: ${hint?.text}`;
}

/** Asserts `gradcheck`. Second order by default, since it costs little and checks the rule itself. */
export function checkGrads(
  t: Asserter,
  f: Differentiable,
  inputs: readonly Tensor[],
  options: GradcheckOptions = {},
): void {
  const result = gradcheck(f, inputs, { order: 2, ...options });
  t.ok(result.ok, formatGradcheck(result));
}

const like = ({ dtype, device }: Tensor) => ({ dtype, device });
