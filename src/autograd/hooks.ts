import { DTypeError, GradientError, ShapeError } from "../tensor/errors.ts";
import { scope } from "../tensor/scope.ts";
import { sameShape } from "../tensor/shape.ts";
import { Tensor } from "../tensor/tensor.ts";
import { isRecording, isTracked, Parameter } from "./graph.ts";

/** Sees a gradient when it is complete; what it answers, if anything, takes the gradient's place. */
export type GradHook = ((grad: Tensor) => Tensor) | ((grad: Tensor) => void);

const hooks = new WeakMap<Tensor | Parameter, Set<GradHook>>();

/**
 * Calls `hook` with the gradient of a tensor when all its shares are added up, before it is pulled back further or
 * answered: in every `backward()` and `grad()` that passes through it. With a Parameter, `backward()` calls it before
 * the gradient is added to `grad`, whatever value the parameter has by then.
 *
 * A hook may answer another gradient of the same shape and dtype. Under `createGraph` its operations are recorded.
 * Otherwise the gradient is given back afterwards; `keep()` it to read it later. Several hooks run in the order in
 * which they were added, each with the answer of the one before.
 *
 * @returns a function that takes the hook away
 * @throws {GradientError} for a constant while a graph is recorded: no gradient would ever come
 */
export function onGrad(target: Tensor | Parameter, hook: GradHook): () => void {
  if (!(target instanceof Parameter) && isRecording() && !isTracked(target))
    throw new GradientError(`onGrad: the result of ${target.operation} has no history; variable() gives it one`);
  const own = hooks.get(target) ?? new Set();
  const entry = (grad: Tensor) => hook(grad); // the same function may be added twice
  hooks.set(target, own.add(entry));
  return () => own.delete(entry);
}

/** The gradient after the hooks of `target`; a new one belongs to the caller, and `grad` remains whose it was. */
export function runHooks(target: Tensor | Parameter, grad: Tensor): Tensor {
  const own = hooks.get(target);
  return own ? [...own].reduce(runHook, grad) : grad;
}

function runHook(grad: Tensor, hook: GradHook): Tensor {
  const run = () => {
    const answer: unknown = hook(grad);
    if (!(answer instanceof Tensor) || answer === grad) return grad;
    if (!sameShape(answer.shape, grad.shape))
      throw new ShapeError("onGrad", "the hook's answer does not have the gradient's shape", answer, grad);
    if (answer.dtype !== grad.dtype)
      throw new DTypeError(`onGrad: the hook answers ${answer.dtype} for a gradient of ${grad.dtype}`);
    return isRecording() ? answer : answer.alias();
  };
  return isRecording() ? run() : scope(run, "onGrad()");
}
