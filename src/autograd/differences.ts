import { fromArray, randn } from "../tensor/create.ts";
import { isFloat, type TypedArray } from "../tensor/dtype.ts";
import { DTypeError, GradientError } from "../tensor/errors.ts";
import type { Rng } from "../tensor/rng.ts";
import { scope } from "../tensor/scope.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { gradOf } from "./grad.ts";
import { isTracked, variable, withRecording } from "./graph.ts";
import { oneTensor } from "./recompute.ts";

export type Differentiable = (...xs: Tensor[]) => Tensor;

/** How far each element of each input moves for t = 1; null for inputs that stay. */
export type Direction = readonly (ArrayLike<number> | null)[];

/** The derivative by the pull-back beside the derivative by differences. */
export interface Comparison {
  readonly analytic: number;
  readonly numeric: number;
  readonly absoluteError: number;
  /** |analytic − numeric| / max(1, |analytic|, |numeric|). */
  readonly relativeError: number;
}

/** A function of one number: φ(t) = ⟨u, f(x + t v)⟩. */
export interface Line {
  at(t: number): number;
  /** φ′(0) by the pull-back: ⟨f's pull-back of u, v⟩. */
  readonly analytic: number;
}

/** What is being checked: ⟨u, f(x)⟩ for one random u, whose gradient is f's pull-back of u. */
export interface Projection {
  readonly f: Differentiable;
  readonly inputs: readonly Tensor[];
  /** Which inputs are floats. */
  readonly moving: readonly number[];
  readonly value: Tensor;
  readonly u: Tensor;
  /** One per input; null for int32. */
  readonly gradients: readonly (TypedArray | null)[];
  /** Whether f answers a tensor with a history. */
  readonly tracked: boolean;
}

/** A pull-back that failed, where f itself did not. */
export class PullBackFailure extends GradientError {
  constructor(override readonly cause: unknown) {
    super(cause instanceof Error ? cause.message : String(cause));
  }
}

/** Which inputs can be moved. @throws {DTypeError} for float32: differences of them have no digits left to compare */
export function movingInputs(inputs: readonly Tensor[]): number[] {
  const moving = inputs.flatMap((x, i) => (isFloat(x.dtype) ? [i] : []));
  for (const i of moving)
    if (inputs[i]!.dtype !== "float64")
      throw new DTypeError(`gradcheck: input ${i} is ${inputs[i]!.dtype}; differences need float64`);
  if (moving.length === 0) throw new GradientError("gradcheck: there is no float64 input to move");
  return moving;
}

/** Evaluates f and pulls a random u back. @throws {PullBackFailure} */
export function project(f: Differentiable, inputs: readonly Tensor[], rng: Rng): Projection {
  const moving = movingInputs(inputs);
  return scope(() => {
    const xs = inputs.map((x) => (isFloat(x.dtype) ? variable(x) : x));
    const y = withRecording(true, () => oneTensor("gradcheck", f(...xs)));
    if (y.dtype !== "float64") throw new DTypeError(`gradcheck: f answers ${y.dtype}; differences need float64`);
    const u = randn(y.shape, rng, { dtype: y.dtype, device: y.device });
    const value = y.alias();
    const tracked = isTracked(y);
    const wanted = moving.map((i) => xs[i]!);
    const grads = catchFailure(() => gradOf(y, wanted, { seed: u, allowUnused: true }, "gradcheck"));
    const gradients = inputs.map((_, i) => (moving.includes(i) ? grads[moving.indexOf(i)]!.dataSync() : null));
    return { f, inputs, moving, value, u, gradients, tracked };
  });
}

/** @throws {PullBackFailure} for whatever `body` throws */
export function catchFailure<T>(body: () => T): T {
  try {
    return body();
  } catch (cause) {
    throw cause instanceof PullBackFailure ? cause : new PullBackFailure(cause);
  }
}

/** The projection along a direction. */
export function lineAlong({ f, inputs, u, gradients }: Projection, direction: Direction): Line {
  const base = inputs.map((x, i) => (direction[i] ? x.dataSync() : null));
  const moved = (t: number) =>
    inputs.map((x, i) => {
      const [from, by] = [base[i], direction[i]];
      if (!from || !by) return x;
      return fromArray(
        from.map((value, k) => value + t * by[k]!),
        x.shape,
        { device: x.device },
      );
    });
  return {
    at: (t) => scope(() => dot(f(...moved(t)).dataSync(), u.dataSync())),
    analytic: direction.reduce((total, by, i) => (by ? total + dot(gradients[i]!, by) : total), 0),
  };
}

/** All float inputs at once, each element by a normal draw. */
export function randomDirection({ inputs, moving }: Projection, rng: Rng): Direction {
  return inputs.map((x, i) => (moving.includes(i) ? Float64Array.from({ length: x.size }, () => rng.normal()) : null));
}

/** One element of one input. */
export function elementDirection({ inputs }: Projection, input: number, element: number): Direction {
  return inputs.map((x, i) => {
    if (i !== input) return null;
    const direction = new Float64Array(x.size);
    direction[element] = 1;
    return direction;
  });
}

/** φ′(0) by the central difference of fourth order. */
export function compare(line: Line, step: number): Comparison {
  const { analytic } = line;
  const near = line.at(step) - line.at(-step);
  const far = line.at(2 * step) - line.at(-2 * step);
  const numeric = (8 * near - far) / (12 * step);
  const absoluteError = Math.abs(analytic - numeric);
  return {
    analytic,
    numeric,
    absoluteError,
    relativeError: absoluteError / Math.max(1, Math.abs(analytic), Math.abs(numeric)),
  };
}

/** An element that was moved by itself. */
export interface ElementComparison extends Comparison {
  readonly input: number;
  readonly element: number;
}

/** Every element of every input that moves. */
export function compareElements(projection: Projection, step: number): ElementComparison[] {
  return projection.moving.flatMap((input) =>
    Array.from({ length: projection.inputs[input]!.size }, (_, element) => {
      const line = lineAlong(projection, elementDirection(projection, input, element));
      return { ...compare(line, step), input, element };
    }),
  );
}

function dot(x: ArrayLike<number>, y: ArrayLike<number>): number {
  let total = 0;
  // What does not move has no part, be its gradient infinite.
  for (let i = 0; i < x.length; i++) if (y[i] !== 0) total += x[i]! * y[i]!;
  return total;
}
