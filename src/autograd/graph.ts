import { GradientError } from "../tensor/errors.ts";
import { scope } from "../tensor/scope.ts";
import type { Tensor } from "../tensor/tensor.ts";

/** Computes one input's share of a gradient when asked. */
export interface PullBack {
  (): Tensor;
  /** The sum of earlier shares and this one, where that takes less than an addition afterwards. */
  readonly onto?: (sum: Tensor) => Tensor;
}

/** How `out` was computed, and how a gradient with respect to it is pulled back to the inputs. */
export interface GraphNode {
  /** Increases with every recorded operation, so that descending order is a reverse topological order. */
  readonly id: number;
  readonly operation: string;
  readonly inputs: readonly Tensor[];
  readonly out: Tensor;
  /** One lazy pull-back per input; null where the derivative is zero by nature (an index, a mask). */
  pullBacks(grad: Tensor): readonly (PullBack | null)[];
  /** Gives back what was kept for the pull-back alone. */
  readonly forget?: (by: string) => void;
}

/** A tensor that gradients are asked for; `parameter` is told about it by `backward()`. */
export class Leaf {
  readonly id = nextId++;

  constructor(readonly parameter: Parameter | null = null) {}
}

/** What is left of a graph that was given back; using it again is an error, not a missing gradient. */
class ReleasedGraph {
  constructor(readonly by: string) {}
}

let recording = true;
let nextId = 0;
/** The tensors with a history from before `since` that operations use; null while nobody asks. */
let watch: { readonly since: number; readonly used: Set<Tensor> } | null = null;

/** The node that computed `tensor`, or its leaf, or null for a constant. @throws {GradientError} when it was given back */
export function historyOf(tensor: Tensor): GraphNode | Leaf | null {
  const { origin } = tensor;
  if (origin instanceof ReleasedGraph)
    throw new GradientError(
      `the graph that computed ${tensor.operation} was released by ${origin.by}; pass { retainGraph: true } to use it again`,
    );
  return origin as GraphNode | Leaf | null;
}

/** Whether a gradient can flow into this tensor. */
export function isTracked(tensor: Tensor): boolean {
  return tensor.origin !== null;
}

/** Notes how `out` was computed, if anyone could ask for a derivative of it. */
export function record(
  operation: string,
  inputs: readonly Tensor[],
  out: Tensor,
  pullBacks: GraphNode["pullBacks"],
  forget?: GraphNode["forget"],
): void {
  if (watch) inputs.forEach(noteUse);
  if (!recording || !inputs.some(isTracked)) return;
  const node: GraphNode = { id: nextId++, operation, inputs, out, pullBacks, forget };
  out.origin = node;
}

function noteUse(tensor: Tensor): void {
  if (!watch || !isTracked(tensor)) return;
  const { id } = tensor.origin as Partial<GraphNode | Leaf>;
  if (id === undefined || id < watch.since) watch.used.add(tensor);
}

/** Runs `body` and lists what it used of the graph that was there before, whether its operations were recorded or not. */
export function watchUses(body: () => Tensor): { out: Tensor; used: readonly Tensor[] } {
  const outer = watch;
  const used = new Set<Tensor>();
  watch = { since: nextId, used };
  try {
    const out = body();
    noteUse(out);
    return { out, used: [...used] };
  } finally {
    watch = outer;
    used.forEach(noteUse);
  }
}

/** Forgets how `tensor` was computed. */
export function releaseHistory(tensor: Tensor, by: string): void {
  tensor.origin = new ReleasedGraph(by);
}

/** A tensor with the same values that gradients can be asked for; it shares the memory of `tensor`. */
export function variable(tensor: Tensor): Tensor {
  const leaf = tensor.alias(tensor.shape, "variable");
  leaf.origin = new Leaf();
  return leaf;
}

/** The same values without history: gradients stop here. */
export function detach(tensor: Tensor): Tensor {
  return tensor.alias(tensor.shape, "detach");
}

/** Runs `body` with recording switched on or off. */
export function withRecording<T>(on: boolean, body: () => T): T {
  const before = recording;
  recording = on;
  try {
    return body();
  } finally {
    recording = before;
  }
}

/** Whether operations are being noted in the graph. */
export function isRecording(): boolean {
  return recording;
}

/**
 * Runs `body` without recording a graph, and gives back the memory of everything made inside but what it returns.
 *
 * @throws {GradientError} when `body` is asynchronous: what runs after its first `await` would be recorded again
 */
export function noGrad<T>(body: () => T): T {
  return scope(() => {
    const result = withRecording(false, body);
    if (result instanceof Promise) throw new GradientError("noGrad: the function is asynchronous; await outside of it");
    return result;
  }, "noGrad()");
}

/**
 * The one mutable cell: a value that an optimiser replaces, and the gradient that `backward()` adds to. It owns both:
 * what is replaced gives its memory back.
 */
export class Parameter {
  #value: Tensor;
  #grad: Tensor | null = null;

  constructor(value: Tensor) {
    this.#value = this.#adopt(value);
  }

  /** The current value, a leaf of the graph. */
  get value(): Tensor {
    return this.#value;
  }

  set value(value: Tensor) {
    const before = this.#value;
    this.#value = this.#adopt(value);
    before.release("a new value of the parameter");
  }

  /** Sum of the gradients since it was last set to null. */
  get grad(): Tensor | null {
    return this.#grad;
  }

  set grad(grad: Tensor | null) {
    const before = this.#grad;
    this.#grad = grad === null ? null : grad.alias(grad.shape, "gradient").keep();
    before?.release("a new gradient of the parameter");
  }

  get shape(): readonly number[] {
    return this.#value.shape;
  }

  #adopt(value: Tensor): Tensor {
    const own = value.alias(value.shape, "parameter").keep();
    own.origin = new Leaf(this);
    return own;
  }
}
