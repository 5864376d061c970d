import { isFloat } from "../tensor/dtype.ts";
import { GradientError } from "../tensor/errors.ts";
import { type Draws, noteDraws, replayDraws } from "../tensor/rng.ts";
import { reachable, scope, serialOfNext } from "../tensor/scope.ts";
import { Tensor } from "../tensor/tensor.ts";
import { isSearching, searchedPullBacks, searchResult } from "./anomaly.ts";
import { isRecording, isTracked, type PullBack, record, withRecording } from "./graph.ts";
import { oneTensor } from "./recompute.ts";

/** What a pull-back sees: the graph's own tensors, never copies, so that it can be differentiated again. */
export interface PullBackContext<A extends readonly Tensor[], S> {
  /** Gradient of the final result with respect to `out`. */
  readonly grad: Tensor;
  readonly inputs: A;
  readonly out: Tensor;
  /** What `forward` answered beside its result. */
  readonly saved: S;
}

export interface FunctionDefinition<A extends readonly Tensor[], S> {
  /** What errors and graphs call it. */
  readonly name?: string;
  /** Computes the result; nothing inside is recorded. `saved` is whatever the pull-back wants to know. */
  forward(...inputs: A): Tensor | { readonly out: Tensor; readonly saved: S };
  /**
   * One gradient per input, made of operations and linear in `grad`: a tensor, a function that computes one when it
   * is asked for, or null where the derivative is zero.
   */
  pullBack(context: PullBackContext<A, S>): readonly (Tensor | PullBack | null)[];
}

/**
 * An operation with a derivative of one's own. In the graph it is one node.
 *
 *   const cube = defineFunction({
 *     name: "cube",
 *     forward: (x: Tensor) => mul(x, square(x)),
 *     pullBack: ({ grad, inputs: [x] }) => [mul(grad, mul(square(x), 3))], // x̄ = ȳ · 3 x²
 *   });
 *
 * Derivatives of higher order are those of `pullBack`, which is why it is written in operations of `grad`, `inputs`,
 * `out` and `saved`. Tensors that `forward` computed and saved have no history; where the pull-back is itself recorded,
 * `forward` runs once more with a graph (and with the same random draws) to give them one. What it reads out of tensors
 * with `dataSync()` stays a constant. `gradcheck` and `gradgradcheck` find rules that are wrong.
 *
 * Pulling back throws an error that names the function when the gradients are not one per input (GradientError), are
 * for an int32 input (GradientError), or have another shape (ShapeError) or dtype (DTypeError) than their input.
 *
 * @throws {GradientError} when `forward` does not answer one tensor
 */
export function defineFunction<A extends readonly Tensor[], S = undefined>({
  name = "custom function",
  forward,
  pullBack,
}: FunctionDefinition<A, S>): (...inputs: A) => Tensor {
  const run = (inputs: A) => unpack<S>(name, forward(...inputs));
  return (...inputs) => {
    const { out, saved, own, draws } = runWithoutGraph(name, () => run(inputs));
    const forget = (by: string) => {
      for (const tensor of own) if (!tensor.isKept) tensor.release(by);
    };
    const pullBacks = (grad: Tensor) => {
      const again = isRecording() && own.some(({ dtype }) => isFloat(dtype));
      const known = again ? replayDraws(draws, () => run(inputs)).saved : saved;
      return checkList(name, pullBack({ grad, inputs, out, saved: known }), inputs);
    };
    if (isSearching) searchResult(name, inputs, out);
    const searched = (grad: Tensor) => searchedPullBacks(name, out, () => pullBacks(grad));
    record(name, inputs, out, (grad) => (isSearching ? searched(grad) : pullBacks(grad)), forget);
    if (!isTracked(out)) forget(name);
    return out;
  };
}

interface Result<S> {
  readonly out: Tensor;
  readonly saved: S;
}

function unpack<S>(name: string, result: Tensor | Result<S>): Result<S> {
  if (result instanceof Tensor || !(result instanceof Object) || !("out" in result))
    return { out: oneTensor(name, result), saved: undefined as S };
  return { out: oneTensor(name, result.out), saved: result.saved };
}

/** The result under a handle of its own, which of the saved tensors were made inside, and what was drawn. */
function runWithoutGraph<S>(
  name: string,
  run: () => Result<S>,
): Result<S> & { readonly own: readonly Tensor[]; readonly draws: Draws } {
  const first = serialOfNext();
  const isOwn = (item: unknown): item is Tensor => item instanceof Tensor && item.serial >= first;
  const { result, draws } = noteDraws(() =>
    scope(() => {
      const { out, saved } = withRecording(false, run);
      return { out: out.alias(out.shape, name), saved, own: [...reachable(saved)].filter(isOwn) };
    }, name),
  );
  return { ...result, draws };
}

function checkList(
  name: string,
  shares: readonly (Tensor | PullBack | null)[],
  inputs: readonly Tensor[],
): (PullBack | null)[] {
  if (!Array.isArray(shares))
    throw new GradientError(`${name}: pullBack answers no list; one gradient per input is due`);
  return shares.map((share, i) => checkItem(name, share, inputs[i], i));
}

/** @throws {GradientError} for what is not a gradient */
function checkItem(
  name: string,
  share: Tensor | PullBack | null,
  input: Tensor | undefined,
  i: number,
): PullBack | null {
  if (share === null) return null;
  if (input?.dtype === "int32")
    throw new GradientError(`${name}: pullBack answers a gradient for input ${i}, which is int32; answer null`);
  if (share instanceof Tensor) return () => share;
  if (typeof share === "function") return share;
  throw new GradientError(`${name}: pullBack answers ${typeof share} for input ${i}; null means that there is none`);
}
