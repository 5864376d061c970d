import { GradientError, ShapeError } from "../tensor/errors.ts";
import { scope } from "../tensor/scope.ts";
import { sameShape } from "../tensor/shape.ts";
import { Tensor } from "../tensor/tensor.ts";
import { partials } from "./grad.ts";
import { isRecording, isTracked, variable, watchUses, withRecording } from "./graph.ts";
import { reshape } from "./ops/layout.ts";

/** The result of `body` as a tensor without history; what was made on the way is given back. */
export function withoutGraph(operation: string, body: () => Tensor): Tensor {
  return scope(() => {
    const out = withRecording(false, () => oneTensor(operation, body()));
    return out.alias(out.shape, operation);
  }, operation);
}

/** @throws {GradientError} when a function answers something else */
export function oneTensor(operation: string, result: unknown): Tensor {
  if (result instanceof Tensor) return result;
  const found = result instanceof Promise ? "a promise" : Array.isArray(result) ? "an array" : typeof result;
  throw new GradientError(`${operation}: the function answers ${found}, not one tensor`);
}

/**
 * The gradient of a result whose graph was not kept: computes it once more with a graph, of inputs that are independent
 * of each other, and pulls `grad` back through that.
 *
 * @param captured what `f` uses of the graph besides its inputs
 * @returns one gradient per input, then one per captured tensor; null where none flows
 * @throws {GradientError} when `f` now uses something else
 */
export function recomputePullBack(
  operation: string,
  f: (...inputs: Tensor[]) => Tensor,
  inputs: readonly Tensor[],
  captured: readonly Tensor[],
  grad: Tensor,
): (Tensor | null)[] {
  const createGraph = isRecording();
  const { own, out, used } = withRecording(true, () => {
    const own = inputs.map((x) => (!isTracked(x) ? x : createGraph ? reshape(x, x.shape) : variable(x)));
    return { own, ...watchUses(() => oneTensor(operation, f(...own))) };
  });
  for (const tensor of used)
    if (!own.includes(tensor) && !captured.includes(tensor))
      throw new GradientError(
        `${operation}: the function was computed again for its gradient and used another tensor than before (the result of ${tensor.operation}, [${tensor.shape.join(", ")}]); was a parameter changed in between?`,
      );
  if (!sameShape(out.shape, grad.shape))
    throw new ShapeError(operation, "computed again for its gradient, the result has another shape", out, grad);
  return partials(out, [...own, ...captured], { seed: grad, createGraph }, operation);
}
