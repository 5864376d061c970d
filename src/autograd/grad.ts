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

/** The nodes that lead from `root` to a wanted tensor, latest first, and their results; none beyond where `isEnd` says so. */
function nodesTowards(
  root: Tensor,
  wanted: (tensor: Tensor) => boolean,
  isEnd: (tensor: Tensor) => boolean,
): { nodes: GraphNode[]; leadsOn: ReadonlySet<Tensor> } {
  const found = new Set<GraphNode>();
  const stack = [root];
  for (let tensor = stack.pop(); tensor; tensor = stack.pop()) {
    const history = historyOf(tensor);
    if (history === null || history instanceof Leaf || found.has(history) || isEnd(tensor)) continue;
    found.add(history);
    for (const input of history.inputs) if (isTracked(input)) stack.push(input);
  }
  const leadsOn = new Set<Tensor>();
  const nodes: GraphNode[] = [];
  for (const node of [...found].sort((a, b) => a.id - b.id)) {
    if (!node.inputs.some((input) => wanted(input) || leadsOn.has(input))) continue;
    leadsOn.add(node.out);
    nodes.push(node);
  }
  return { nodes: nodes.reverse(), leadsOn };
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
  const { nodes, leadsOn } = nodesTowards(root, wanted, (tensor) => independent && wanted(tensor));
  const receives = (input: Tensor) => wanted(input) || leadsOn.has(input);
  const grads = new Map<Tensor, Tensor>([[root, seedFor(root, seed, createGraph, caller)]]);
  withRecording(createGraph, () => {
    for (const node of nodes) {
      const grad = complete(grads, node.out, createGraph);
      if (!grad) continue;
      addShares(grads, node, grad, receives, createGraph);
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

/** Adds each input's share of the gradient of a node; what its rule computes on the way is given back. */
function addShares(
  grads: Map<Tensor, Tensor>,
  node: GraphNode,
  grad: Tensor,
  receives: (input: Tensor) => boolean,
  createGraph: boolean,
): void {
  const run = () => sharesOf(grads, node, grad, receives, createGraph);
  const shares = createGraph ? run() : scope(run, node.operation);
  for (let i = 0; i < shares.length; i++) {
    const share = shares[i];
    if (share) addTo(grads, node.inputs[i]!, share, createGraph);
  }
}

/** What is to be added to the gradient of each input; a share that takes the sum of earlier ones in takes its place. */
function sharesOf(
  grads: Map<Tensor, Tensor>,
  { operation, inputs, pullBacks }: GraphNode,
  grad: Tensor,
  receives: (input: Tensor) => boolean,
  createGraph: boolean,
): (Tensor | null)[] {
  const first = serialOfNext();
  const pulls = pullBacks(grad);
  if (pulls.length !== inputs.length)
    throw new GradientError(
      `${operation}: the pull-back answers ${pulls.length} gradients for ${inputs.length} inputs`,
    );
  const shares: (Tensor | null)[] = [];
  for (let i = 0; i < inputs.length; i++) {
    const input = inputs[i]!;
    const pull = pulls[i];
    if (!pull || !receives(input)) {
      shares.push(null);
      continue;
    }
    // An operand that stands twice gets two shares, of which the first is in no sum yet.
    const isOnce = inputs.indexOf(input) === inputs.lastIndexOf(input);
    const sum = createGraph || !isOnce || !pull.onto ? undefined : grads.get(input);
    const share = sum ? pull.onto!(sum) : pull();
    checkShare(operation, share, input, i);
    // A rule may answer a tensor that somebody else owns (the gradient itself, an older one, one result for two inputs).
    const isOwn = createGraph || (share.serial >= first && !shares.includes(share));
    shares.push(isOwn ? share : share.alias());
    if (!sum) continue;
    grads.delete(input);
    sum.release("backward()");
  }
  return shares;
}

function checkShare(operation: string, share: Tensor, input: Tensor, i: number): void {
  if (!sameShape(share.shape, input.shape))
    throw new ShapeError(operation, `the gradient of input ${i} does not have the input's shape`, share, input);
  if (share.dtype !== input.dtype)
    throw new DTypeError(`${operation}: the gradient of input ${i} is ${share.dtype}, the input is ${input.dtype}`);
}

function addTo(grads: Map<Tensor, Tensor>, input: Tensor, share: Tensor, createGraph: boolean): void {
  const before = grads.get(input);
  grads.set(input, before ? add(before, share) : share);
  if (createGraph || !before) return;
  before.release("backward()");
  share.release("backward()");
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
