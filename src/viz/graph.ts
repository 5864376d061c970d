import { grad } from "../autograd/grad.ts";
import { type GraphNode, historyOf, Leaf, type Parameter } from "../autograd/graph.ts";
import { ConfigError, DeviceError, formatShape, GradientError } from "../tensor/errors.ts";
import { scope } from "../tensor/scope.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { dotOf, svgOf } from "./graph-picture.ts";

export interface DrawOptions {
  /** Names the parameters: a `Module`. */
  readonly model?: { namedParameters(): ReadonlyMap<string, Parameter> };
  /** Compute the gradient of the one tensor drawn with respect to every node; its graph is kept. Default: false. */
  readonly gradients?: boolean;
  /** Operations beyond these, those nearest to the result, become one node that counts them. Default: 50. */
  readonly maxOperations?: number;
}

/** What a box shows. */
export interface PictureNode {
  readonly kind: "operation" | "parameter" | "variable" | "constant" | "more";
  readonly title: string;
  readonly lines: readonly string[];
  readonly isResult: boolean;
}

export interface Picture {
  readonly nodes: readonly PictureNode[];
  /** Numbers of nodes; `input` where the operation has several. */
  readonly edges: readonly { readonly from: number; readonly to: number; readonly input?: number }[];
}

/**
 * The graph behind a tensor, or behind several: what was computed from what, with shapes, a few values, and gradients
 * as far as they are known. Draw before `backward()`, which gives the graph back, or pass it `{ retainGraph: true }`.
 *
 * @returns an SVG document, and the graph in the language of Graphviz
 * @throws {GradientError} when gradients are asked for and the graph was given back
 */
export function draw(y: Tensor | readonly Tensor[], options: DrawOptions = {}): { svg: string; dot: string } {
  const picture = pictureOf(Array.isArray(y) ? y : [y as Tensor], options);
  return { svg: svgOf(picture), dot: dotOf(picture) };
}

function pictureOf(roots: readonly Tensor[], { model, gradients = false, maxOperations = 50 }: DrawOptions): Picture {
  const operations = operationsBehind(roots);
  const shown = new Set(operations.slice(0, Math.max(1, maxOperations)).map(({ out }) => out));
  const grads = gradients
    ? gradientsOf(
        roots,
        operations.filter(({ out }) => shown.has(out)),
      )
    : null;
  const names = new Map([...(model?.namedParameters() ?? [])].map(([name, parameter]) => [parameter, name]));
  const nodes: PictureNode[] = [];
  const edges: { from: number; to: number; input?: number }[] = [];
  const numbers = new Map<Tensor, number>();
  let more: number | null = null;

  const add = (node: PictureNode): number => nodes.push(node) - 1;
  const numberOf = (tensor: Tensor): number => {
    const history = historyIfAny(tensor);
    if (isNode(history) && !shown.has(tensor)) {
      const count = operations.length - shown.size;
      more ??= add({ kind: "more", title: "…", lines: [`${count} earlier operations`], isResult: false });
      return more;
    }
    const known = numbers.get(tensor);
    if (known !== undefined) return known;
    const number = add(describe(tensor, history, { names, grads, isResult: roots.includes(tensor) }));
    // A number stands in many places: it is drawn in each.
    if (history !== null || tensor.rank > 0) numbers.set(tensor, number);
    return number;
  };
  for (const root of roots) numberOf(root);
  for (const { inputs, out } of operations.slice(0, shown.size))
    for (const [input, tensor] of inputs.entries())
      edges.push({ from: numberOf(tensor), to: numberOf(out), ...(inputs.length > 1 && { input }) });
  return { nodes, edges };
}

type History = GraphNode | Leaf | null | { readonly lost: string };

/** Like `historyOf`, with the reason where the graph was given back. */
function historyIfAny(tensor: Tensor): History {
  try {
    return historyOf(tensor);
  } catch (error) {
    if (!(error instanceof GradientError)) throw error;
    return { lost: /was released by (.*?);/.exec(error.message)?.[1] ?? "its owner" };
  }
}

const isNode = (history: History): history is GraphNode => history !== null && "inputs" in history;

/** Every operation that leads to one of the roots, latest first. */
function operationsBehind(roots: readonly Tensor[]): GraphNode[] {
  const found = new Map<Tensor, GraphNode>();
  const stack = [...roots];
  for (let tensor = stack.pop(); tensor; tensor = stack.pop()) {
    if (found.has(tensor)) continue;
    const history = historyIfAny(tensor);
    if (!isNode(history)) continue;
    found.set(tensor, history);
    stack.push(...history.inputs);
  }
  return [...found.values()].sort((a, b) => b.id - a.id);
}

/** Texts of the gradients of the first root, by tensor. */
function gradientsOf(roots: readonly Tensor[], operations: readonly GraphNode[]): Map<Tensor, string> {
  const [root] = roots;
  if (!root || roots.length > 1)
    throw new ConfigError(`draw: gradients are those of one tensor, not of ${roots.length}; draw each by itself`);
  const tracked = (tensor: Tensor) => tensor.origin !== null;
  const wanted = [...new Set([root, ...operations.flatMap(({ inputs }) => inputs.filter(tracked))])];
  return scope(() => {
    const grads = grad(root, wanted, { retainGraph: true, allowUnused: true });
    return new Map(wanted.map((tensor, i) => [tensor, valuesOf(grads[i]!)]));
  }, "draw()");
}

interface Surroundings {
  readonly names: ReadonlyMap<Parameter, string>;
  readonly grads: ReadonlyMap<Tensor, string> | null;
  readonly isResult: boolean;
}

function describe(tensor: Tensor, history: History, { names, grads, isResult }: Surroundings): PictureNode {
  const parameter = history instanceof Leaf ? history.parameter : null;
  const kind = parameter
    ? "parameter"
    : history instanceof Leaf
      ? "variable"
      : history === null
        ? "constant"
        : "operation";
  const title = parameter ? (names.get(parameter) ?? "parameter") : kind === "operation" ? tensor.operation : kind;
  const computed = grads?.get(tensor) ?? (parameter?.grad ? valuesOf(parameter.grad) : null);
  const gradient = kind === "constant" ? [] : [`grad ${computed ?? "not computed yet"}`];
  const lost = history !== null && "lost" in history ? [`its graph was released by ${history.lost}`] : [];
  const facts = `${formatShape(tensor.shape)} ${tensor.dtype}`;
  return { kind, title, lines: [facts, valuesOf(tensor), ...(lost.length ? lost : gradient)], isResult };
}

/** So many values are written out; of more, only the range and the mean. */
const FEW = 4;

/** Values of a tensor in a few words. */
function valuesOf(tensor: Tensor): string {
  if (tensor.isReleased) return `released by ${tensor.releasedBy}`;
  try {
    const values = tensor.dataSync();
    return values.length <= FEW ? `= ${Array.from(values, short).join(", ")}` : rangeOf(values);
  } catch (error) {
    if (error instanceof DeviceError) return `values on ${tensor.device} are not read`;
    throw error;
  }
}

function rangeOf(values: ArrayLike<number>): string {
  let [smallest, largest, total, bad] = [Infinity, -Infinity, 0, 0];
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    if (!Number.isFinite(value)) bad++;
    smallest = Math.min(smallest, value);
    largest = Math.max(largest, value);
    total += value;
  }
  const range = `${short(smallest)} … ${short(largest)}, mean ${short(total / values.length)}`;
  return bad ? `${range}, ${bad} not finite` : range;
}

const short = (value: number) => String(Number(value.toPrecision(4))).replace("-", "−");
