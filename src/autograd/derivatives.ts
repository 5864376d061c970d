import { fromArray, zeros } from "../tensor/create.ts";
import { isFloat } from "../tensor/dtype.ts";
import { DTypeError, GradientError, ShapeError } from "../tensor/errors.ts";
import { scope } from "../tensor/scope.ts";
import { sameShape } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { gradOf } from "./grad.ts";
import { detach, isRecording, isTracked, variable, withRecording } from "./graph.ts";
import { add, mul } from "./ops/arithmetic.ts";
import { reshape, stack } from "./ops/layout.ts";
import { sum } from "./ops/reduce.ts";
import { oneTensor } from "./recompute.ts";

type Differentiable<A extends readonly Tensor[] = readonly Tensor[]> = (...xs: A) => Tensor;

export interface DerivativeOptions {
  /**
   * Record the computation of the answer, so that it can be differentiated again. Default: whether an argument has a
   * history; say so where only something that f closes over has one.
   */
  readonly createGraph?: boolean;
  /** Answer zeros for an input that f does not depend on, instead of an error. */
  readonly allowUnused?: boolean;
}

/**
 * The linear map ȳ ↦ x̄ᵢ = (∂f/∂xᵢ)ᵀ ȳ at `xs` (reverse mode), as a function that may be called many times.
 *
 * @returns `value` = f(...xs), of shape [...out], and `pullBack(seed)`: seed [...out] → one gradient per input, of its
 *   shape
 * @throws {DTypeError} for an int32 input: close over it instead
 * @throws {ShapeError} from pullBack, when the seed is not of the value's shape
 * @throws {GradientError} from pullBack, when f does not depend on an input
 */
export function vjp<A extends readonly Tensor[]>(
  f: Differentiable<A>,
  xs: A,
  { createGraph, allowUnused }: DerivativeOptions = {},
): { value: Tensor; pullBack: (seed: Tensor) => Tensor[] } {
  const outer = createGraph ?? (isRecording() && xs.some(isTracked));
  const { own, y } = evaluate("vjp", f, xs, outer);
  return {
    value: outer ? y : detach(y),
    pullBack(seed) {
      const recorded = createGraph ?? (outer || (isRecording() && isTracked(seed)));
      return gradOf(y, own, { seed, createGraph: recorded, retainGraph: true, allowUnused }, "vjp");
    },
  };
}

/**
 * The directional derivative ẏ = Σᵢ (∂f/∂xᵢ) vᵢ (forward mode's question), exact, from two pull-backs: g(u) = Jᵀ u is
 * linear in u, and the pull-back of v through g is J v (the double-backward trick, Townsend 2017). It needs pull-backs
 * that are linear in the gradient, as all of the library's are.
 *
 * @param vs one tangent per input, of its shape
 * @returns `value` = f(...xs) and `tangent`, both [...out]
 * @throws {DTypeError} for an int32 input
 * @throws {ShapeError} when a tangent is not of its input's shape
 * @throws {GradientError} when f does not depend on an input
 */
export function jvp<A extends readonly Tensor[]>(
  f: Differentiable<A>,
  xs: A,
  vs: readonly Tensor[],
  options: DerivativeOptions = {},
): { value: Tensor; tangent: Tensor } {
  const createGraph = options.createGraph ?? (isRecording() && [...xs, ...vs].some(isTracked));
  checkTangents("jvp", xs, vs);
  return scopeUnless(createGraph, "jvp()", () => {
    const { own, y } = evaluate("jvp", f, xs, createGraph);
    const u = variable(zeros(y.shape, placeOf(y)));
    const grads = gradOf(y, own, { seed: u, createGraph: true, allowUnused: options.allowUnused }, "jvp");
    const tangent = gradOf(innerProduct(grads, vs), [u], { createGraph, allowUnused: true }, "jvp")[0]!;
    return { value: createGraph ? y : detach(y), tangent };
  });
}

/**
 * The function that answers all partial derivatives J[…o, …i] = ∂f(x)[…o] / ∂x[…i], by one pull-back per element of
 * the result.
 *
 * @returns x [...in] ↦ J [...out, ...in]; with several inputs, one such tensor for each, in a list
 * @throws {DTypeError} for an int32 input
 * @throws {GradientError} when f does not depend on an input
 */
export function jacobian<A extends readonly Tensor[]>(
  f: Differentiable<A>,
  options: DerivativeOptions = {},
): (...xs: A) => A["length"] extends 1 ? Tensor : Tensor[] {
  return ((...xs: A) => {
    const createGraph = options.createGraph ?? (isRecording() && xs.some(isTracked));
    return scopeUnless(createGraph, "jacobian()", () => {
      const { own, y } = evaluate("jacobian", f, xs, createGraph);
      const { allowUnused } = options;
      const blocks = rowsOf(y, own, (seed) =>
        gradOf(y, own, { seed, createGraph, retainGraph: true, allowUnused }, "jacobian"),
      );
      return xs.length === 1 ? blocks[0]! : blocks;
    });
  }) as ReturnType<typeof jacobian<A>>;
}

/**
 * The function that answers all second derivatives H[…i, …j] = ∂²f(x) / ∂x[…i] ∂x[…j] of a scalar function, by one
 * pull-back through the gradient per element of x. Symmetric, up to rounding.
 *
 * @returns x [...in] ↦ H [...in, ...in]; with several inputs, a list of lists of blocks: H[k][l] is [...inₖ, ...inₗ]
 * @throws {DTypeError} for an int32 input
 * @throws {ShapeError} when f answers more than one element
 * @throws {GradientError} when f does not depend on an input
 */
export function hessian<A extends readonly Tensor[]>(
  f: Differentiable<A>,
  options: DerivativeOptions = {},
): (...xs: A) => A["length"] extends 1 ? Tensor : Tensor[][] {
  return ((...xs: A) => {
    const createGraph = options.createGraph ?? (isRecording() && xs.some(isTracked));
    return scopeUnless(createGraph, "hessian()", () => {
      const { own, y } = evaluate("hessian", f, xs, createGraph);
      const grads = gradOf(y, own, { createGraph: true, allowUnused: options.allowUnused }, "hessian");
      const again = { createGraph, retainGraph: true, allowUnused: true };
      const blocks = grads.map((g) => rowsOf(g, own, (seed) => gradOf(g, own, { seed, ...again }, "hessian")));
      return xs.length === 1 ? blocks[0]![0]! : blocks;
    });
  }) as ReturnType<typeof hessian<A>>;
}

/**
 * The function that answers H v for the Hessian H of a scalar function, without H: the gradient of ⟨∇f(x), v⟩
 * (Pearlmutter 1994, by two pull-backs).
 *
 * @returns (x [...in], v [...in]) ↦ [...in]; for f of several inputs, lists of each
 * @throws {DTypeError} for an int32 input
 * @throws {ShapeError} when v is not of x's shape, or f answers more than one element
 * @throws {GradientError} when f does not depend on an input
 */
export function hvp<A extends readonly Tensor[]>(
  f: Differentiable<A>,
  options: DerivativeOptions = {},
): A["length"] extends 1 ? (x: Tensor, v: Tensor) => Tensor : (xs: A, vs: A) => Tensor[] {
  return ((x: Tensor | A, v: Tensor | A) => {
    const [xs, vs] = [asList(x), asList(v)] as [A, A];
    checkTangents("hvp", xs, vs);
    const createGraph = options.createGraph ?? (isRecording() && [...xs, ...vs].some(isTracked));
    return scopeUnless(createGraph, "hvp()", () => {
      const { own, y } = evaluate("hvp", f, xs, createGraph);
      const grads = gradOf(y, own, { createGraph: true, allowUnused: options.allowUnused }, "hvp");
      const products = gradOf(innerProduct(grads, vs), own, { createGraph, allowUnused: true }, "hvp");
      return Array.isArray(x) ? products : products[0]!;
    });
  }) as ReturnType<typeof hvp<A>>;
}

/** What is made on the way is given back, unless it belongs to a graph that is asked for. */
function scopeUnless<T>(open: boolean, name: string, body: () => T): T {
  return open ? body() : scope(body, name);
}

const asList = (x: Tensor | readonly Tensor[]) => (Array.isArray(x) ? x : [x]) as readonly Tensor[];
const placeOf = ({ dtype, device }: Tensor) => ({ dtype, device });

/** f at inputs that are independent of each other, with a graph that goes on to where `xs` came from if asked for. */
function evaluate<A extends readonly Tensor[]>(
  caller: string,
  f: Differentiable<A>,
  xs: A,
  createGraph: boolean,
): { own: readonly Tensor[]; y: Tensor } {
  if (xs.length === 0) throw new GradientError(`${caller}: there is no input`);
  xs.forEach((x, i) => {
    if (!isFloat(x.dtype))
      throw new DTypeError(`${caller}: input ${i} is ${x.dtype}, which has no derivative; let f close over it`);
  });
  return withRecording(true, () => {
    const own = xs.map((x) => (createGraph && isTracked(x) ? reshape(x, x.shape) : variable(x)));
    return { own, y: oneTensor(caller, f(...(own as unknown as A))) };
  });
}

function checkTangents(caller: string, xs: readonly Tensor[], vs: readonly Tensor[]): void {
  if (xs.length !== vs.length)
    throw new ShapeError(caller, `${vs.length} tangents for ${xs.length} inputs`, ...xs, ...vs);
  xs.forEach((x, i) => {
    if (!sameShape(x.shape, vs[i]!.shape))
      throw new ShapeError(caller, `tangent ${i} does not have the shape of its input`, vs[i]!, x);
  });
}

/** Σᵢ ⟨aᵢ, bᵢ⟩, recorded. */
function innerProduct(as: readonly Tensor[], bs: readonly Tensor[]): Tensor {
  return withRecording(true, () => as.map((a, i) => sum(mul(a, bs[i]!))).reduce((total, part) => add(total, part)));
}

/** The derivatives of each element of `y`, stacked: [...y.shape, ...x.shape] for each x. */
function rowsOf(y: Tensor, xs: readonly Tensor[], pullBack: (seed: Tensor) => Tensor[]): Tensor[] {
  const rows = Array.from({ length: y.size }, (_, i) => pullBack(oneHot(y, i)));
  return xs.map((x, k) => {
    const shape = [...y.shape, ...x.shape];
    if (y.size === 0) return zeros(shape, placeOf(x));
    return reshape(stack(rows.map((row) => row[k]!)), shape);
  });
}

function oneHot(y: Tensor, at: number): Tensor {
  const values = new Float64Array(y.size);
  values[at] = 1;
  return fromArray(values, y.shape, placeOf(y));
}
