import { full } from "../tensor/create.ts";
import { DTypeError, GradientError, ShapeError } from "../tensor/errors.ts";
import { scope, serialOfNext } from "../tensor/scope.ts";
import { sameShape } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import {
  type GraphNode,
  historyOf,
  isRecording,
  isTracked,
  Leaf,
  releaseHistory,
  variable,
  withRecording,
} from "./graph.ts";
import { runHooks } from "./hooks.ts";
import { add } from "./ops/arithmetic.ts";
import { reshape } from "./ops/layout.ts";

export interface GradOptions {
  /** Gradient with respect to the result, of its shape; 1 for a result of one element. */
  readonly seed?: Tensor;
  /** Keep the graph and its intermediates for another pass. Default: `createGraph`. */
  readonly retainGraph?: boolean;
  /** Record the gradient's own computation, so that it can be differentiated again. */
  readonly createGraph?: boolean;
  /** Answer zeros for an input that the result does not depend on, instead of an error. */
  readonly allowUnused?: boolean;
}

/** The nodes that lead from `root` to a wanted tensor, latest first; none beyond those where `isEnd` says so. */
function nodesTowards(
  root: Tensor,
  wanted: (tensor: Tensor) => boolean,
  isEnd: (tensor: Tensor) => boolean,
): GraphNode[] {
  const found = new Map<Tensor, GraphNode>();
  const stack = [root];
  for (let tensor = stack.pop(); tensor; tensor = stack.pop()) {
    const history = historyOf(tensor);
    if (history === null || history instanceof Leaf || found.has(tensor) || isEnd(tensor)) continue;
    found.set(tensor, history);
    for (const input of history.inputs) if (isTracked(input)) stack.push(input);
  }
  const ascending = [...found.values()].sort((a, b) => a.id - b.id);
  const leads = new Set<Tensor>();
  for (const node of ascending) if (node.inputs.some((input) => wanted(input) || leads.has(input))) leads.add(node.out);
  return ascending.filter((node) => leads.has(node.out)).reverse();
}

/**
 * Gradients of the tensors that `wanted` selects, by reverse accumulation (Linnainmaa 1970).
 *
 * @param independent take the wanted tensors as independent of each other: nothing beyond them is entered, and hooks
 *   on them are not called, since the answer is but a share of their gradient
 */
function accumulate(
  root: Tensor,
  wanted: (tensor: Tensor) => boolean,
  { seed, createGraph = false, retainGraph = createGraph }: GradOptions,
  caller: string,
  independent = false,
): Map<Tensor, Tensor> {
  const nodes = nodesTowards(root, wanted, (tensor) => independent && wanted(tensor));
  const leadsOn = new Set(nodes.map((node) => node.out));
  const grads = new Map<Tensor, Tensor>([[root, seedFor(root, seed, createGraph, caller)]]);
  withRecording(createGraph, () => {
    for (const node of nodes) {
      const grad = complete(grads, node.out, createGraph);
      if (!grad) continue;
      const receives = (input: Tensor) => wanted(input) || leadsOn.has(input);
      for (const share of sharesOf(node, grad, receives, grads, createGraph)) addTo(grads, share, createGraph);
      if (!wanted(node.out)) {
        grads.delete(node.out);
        if (!createGraph && !grad.isKept) grad.release(caller);
      }
      if (!retainGraph) forget(node, root, wanted, caller);
    }
    if (!independent) for (const tensor of grads.keys()) if (!leadsOn.has(tensor)) complete(grads, tensor, createGraph);
  });
  return grads;
}

/** The gradient of a tensor that has all its shares, after its hooks. */
function complete(grads: Map<Tensor, Tensor>, tensor: Tensor, createGraph: boolean): Tensor | undefined {
  const before = grads.get(tensor);
  if (!before) return undefined;
  const after = runHooks(tensor, before);
  if (after !== before) {
    grads.set(tensor, after);
    if (!createGraph && !before.isKept) before.release("onGrad()");
  }
  return after;
}

interface Share {
  readonly input: Tensor;
  readonly share: Tensor;
  /** Whether the earlier shares are in it. */
  readonly isSum: boolean;
}

/** Each input's share of the gradient of a node; what its rule computes on the way is given back. */
function sharesOf(
  node: GraphNode,
  grad: Tensor,
  receives: (input: Tensor) => boolean,
  grads: ReadonlyMap<Tensor, Tensor>,
  createGraph: boolean,
): Share[] {
  // A rule may answer a tensor that somebody else owns (the gradient itself, an older one, one result for two inputs).
  const first = serialOfNext();
  const taken = new Set<Tensor>();
  const run = () => {
    const pullBacks = node.pullBacks(grad);
    if (pullBacks.length !== node.inputs.length)
      throw new GradientError(
        `${node.operation}: the pull-back answers ${pullBacks.length} gradients for ${node.inputs.length} inputs`,
      );
    return node.inputs.flatMap((input, i): Share[] => {
      const pullBack = pullBacks[i];
      if (!pullBack || !receives(input)) return [];
      // An operand that stands twice gets two shares, of which the first is in no sum yet.
      const isOnce = node.inputs.indexOf(input) === node.inputs.lastIndexOf(input);
      const sum = createGraph || !isOnce ? undefined : grads.get(input);
      const isSum = sum !== undefined && pullBack.onto !== undefined;
      const share = isSum ? pullBack.onto(sum) : pullBack();
      checkShare(node.operation, share, input, i);
      if (createGraph) return [{ input, share, isSum }];
      const mine = share.serial < first || taken.has(share) ? share.alias() : share;
      taken.add(mine);
      return [{ input, share: mine, isSum }];
    });
  };
  return createGraph ? run() : scope(run, node.operation);
}

function checkShare(operation: string, share: Tensor, input: Tensor, i: number): void {
  if (!sameShape(share.shape, input.shape))
    throw new ShapeError(operation, `the gradient of input ${i} does not have the input's shape`, share, input);
  if (share.dtype !== input.dtype)
    throw new DTypeError(`${operation}: the gradient of input ${i} is ${share.dtype}, the input is ${input.dtype}`);
}

function addTo(grads: Map<Tensor, Tensor>, { input, share, isSum }: Share, createGraph: boolean): void {
  const before = grads.get(input);
  grads.set(input, before && !isSum ? add(before, share) : share);
  if (createGraph || !before) return;
  before.release("backward()");
  if (!isSum) share.release("backward()");
}

/** Gives back a node that has passed its gradient on; root, wanted and kept tensors stay readable. */
function forget(node: GraphNode, root: Tensor, wanted: (tensor: Tensor) => boolean, caller: string): void {
  const { out } = node;
  releaseHistory(out, caller);
  node.forget?.(caller);
  if (out !== root && !wanted(out) && !out.isKept) out.release(caller);
}

/** The gradient to start from: the graph's own tensor where it will be differentiated, else one that may be given back. */
function seedFor(root: Tensor, seed: Tensor | undefined, createGraph: boolean, caller: string): Tensor {
  if (seed) {
    if (!sameShape(seed.shape, root.shape))
      throw new ShapeError(caller, "the seed's shape is not the result's", seed, root);
    return createGraph ? seed : seed.alias();
  }
  if (root.size !== 1)
    throw new ShapeError(caller, "the result has more than one element; reduce it or pass a seed of its shape", root);
  return full(root.shape, 1, { dtype: root.dtype, device: root.device });
}

const isParameterLeaf = ({ origin }: Tensor) => origin instanceof Leaf && origin.parameter !== null;

/**
 * Adds to the `grad` of every parameter that `loss` depends on, and gives the graph's intermediates back.
 *
 * @throws {ShapeError} when `loss` has more than one element and no seed is given
 * @throws {GradientError} when `loss` depends on no parameter, or its graph was given back before
 */
export function backward(loss: Tensor, options: GradOptions = {}): void {
  scopeUnless(options.createGraph, () => {
    const grads = accumulate(loss, isParameterLeaf, options, "backward()");
    let reached = 0;
    for (const [tensor, grad] of grads) {
      const parameter = tensor.origin instanceof Leaf ? tensor.origin.parameter : null;
      if (!parameter) continue;
      reached++;
      const change = withRecording(options.createGraph ?? false, () => runHooks(parameter, grad));
      parameter.grad = parameter.grad ? add(parameter.grad, change) : change;
    }
    if (reached === 0)
      throw new GradientError(
        "backward: the result depends on no parameter; was it computed under noGrad or detached?",
      );
  });
}

function scopeUnless(open: boolean | undefined, body: () => void): void {
  if (open) body();
  else scope(body, "backward()");
}

/** Gradients of `y` with respect to each of `xs`. @throws {GradientError} when y does not depend on one of them */
export function grad(y: Tensor, xs: readonly Tensor[], options?: GradOptions): Tensor[];
/** The function that answers the gradient of a scalar function with respect to its argument, or to each of several. */
export function grad<A extends readonly Tensor[]>(
  f: (...xs: A) => Tensor,
  options?: GradOptions,
): (...xs: A) => A["length"] extends 1 ? Tensor : Tensor[];
export function grad(
  target: Tensor | ((...xs: Tensor[]) => Tensor),
  second?: readonly Tensor[] | GradOptions,
  third?: GradOptions,
): unknown {
  if (typeof target !== "function") return gradOf(target, second as readonly Tensor[], third);
  return (...xs: Tensor[]) => {
    const [first, ...rest] = valueAndGrad(target, second as GradOptions)(...xs).grads;
    return rest.length ? [first, ...rest] : first;
  };
}

/** Like `grad(f)`, with the value of f beside its gradients. */
export function valueAndGrad(
  f: (...xs: Tensor[]) => Tensor,
  options: GradOptions = {},
): (...xs: Tensor[]) => { value: Tensor; grads: Tensor[] } {
  return (...xs) => {
    const createGraph = options.createGraph ?? (isRecording() && xs.some(isTracked));
    return withRecording(true, () => {
      const inputs = xs.map((x) => (createGraph && isTracked(x) ? reshape(x, x.shape) : variable(x)));
      const value = f(...inputs);
      return { value, grads: gradOf(value, inputs, { ...options, createGraph }) };
    });
  };
}

/** @param caller what an error names */
export function gradOf(y: Tensor, xs: readonly Tensor[], options: GradOptions = {}, caller = "grad"): Tensor[] {
  const wanted = new Set(xs);
  const grads = accumulate(y, (tensor) => wanted.has(tensor), options, `${caller}()`);
  return xs.map((x, i) => {
    const result = grads.get(x);
    if (result) return result;
    if (options.allowUnused) return full(x.shape, 0, { dtype: x.dtype, device: x.device });
    throw new GradientError(
      `${caller}: the result does not depend on input ${i} ([${x.shape.join(", ")}]); was it detached? { allowUnused: true } answers zeros`,
    );
  });
}

/** Partial derivatives of `y` in the direction of `seed`, for `xs` that are independent of each other; null for none. */
export function partials(
  y: Tensor,
  xs: readonly Tensor[],
  options: GradOptions & { readonly seed: Tensor },
  caller: string,
): (Tensor | null)[] {
  const wanted = new Set(xs.filter(isTracked));
  const grads = accumulate(y, (tensor) => wanted.has(tensor), options, caller, true);
  return xs.map((x) => grads.get(x) ?? null);
}
