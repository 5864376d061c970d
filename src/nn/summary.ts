import { noGrad, Parameter } from "../autograd/graph.ts";
import { getBackend } from "../tensor/backend.ts";
import type { MetaBackend } from "../tensor/backends/meta/index.ts";
import { ConfigError, formatShape } from "../tensor/errors.ts";
import type { Shape } from "../tensor/shape.ts";
import { Tensor } from "../tensor/tensor.ts";
import { Module } from "./module.ts";

/** A tensor that a layer answered; the name is that of a field where it answered an object. */
export interface LayerOutput {
  readonly name: string;
  readonly shape: Shape;
}

/** What is counted includes the parts of a layer. */
export interface LayerSummary {
  /** The path of fields that leads there; empty for the model itself. */
  readonly name: string;
  readonly type: string;
  /** Of the last call of one of its methods that answered tensors; empty when there was none. */
  readonly outputs: readonly LayerOutput[];
  readonly calls: number;
  readonly parameters: number;
  /** Floating-point operations of matrix products, 2 for each multiply-add. */
  readonly flops: number;
  /** Numbers written by everything that is not a matrix product. */
  readonly elements: number;
}

export interface ModelSummary {
  /** The model, then its parts, from the outside in. */
  readonly layers: readonly LayerSummary[];
  /** A parameter that several layers share counts once. */
  readonly parameters: number;
  readonly flops: number;
  readonly elements: number;
  /** A table. */
  toString(): string;
}

/**
 * Layers, shapes, parameters and the cost of one forward pass, from shapes alone: for the time of a pass the parameters
 * are tensors of the `meta` device, so nothing is computed, whatever the size of the model and wherever it lives.
 *
 *   String(summary(mlp, x))                            calls mlp.forward(x), of which only the shape is used
 *   summary(model, () => model.losses(batch, options))  for whatever is not `forward`; inputs are made on "meta"
 *
 * @param args arguments of `forward`, or one function to call instead
 * @throws {ConfigError} when the model has no `forward` and no function is given
 */
export function summary<M extends Module>(model: M, ...args: readonly unknown[]): ModelSummary {
  const backend = getBackend("meta") as MetaBackend;
  const calls = new Map<Module, Call>();
  const parts = [...partsOf(model, "", new Set())];
  const undo = [
    ...model.parameters().map((parameter) => shadow(parameter, "value", metaTwin(parameter.value, backend))),
    ...parts.flatMap(([, part]) => watch(part, calls, backend)),
  ];
  try {
    const before = costsOf(backend);
    noGrad(() => void pass(model, args, backend));
    const total = difference(costsOf(backend), before);
    const layers = parts.map(([name, part]) => ({
      ...{ name, type: part.constructor.name, parameters: part.countParameters() },
      ...(calls.get(part) ?? { outputs: [], calls: 0, flops: 0, elements: 0 }),
    }));
    const result = { layers, parameters: model.countParameters(), ...total };
    return Object.defineProperty(result, "toString", { value: () => formatSummary(result), enumerable: false });
  } finally {
    for (const restore of undo) restore();
  }
}

function pass(model: Module, args: readonly unknown[], backend: MetaBackend): unknown {
  const [run] = args;
  if (args.length === 1 && typeof run === "function") return run(model);
  if (!("forward" in model) || typeof model.forward !== "function")
    throw new ConfigError(
      `summary: ${model.constructor.name} has no forward(); pass a function that runs it, with inputs made on the meta device`,
    );
  return model.forward(...args.map((arg) => twins(arg, backend)));
}

/** A module and the modules in its fields, each once, where it is met first. */
function* partsOf(module: Module, name: string, seen: Set<Module>): Generator<[string, Module]> {
  if (seen.has(module)) return;
  seen.add(module);
  yield [name, module];
  for (const [field, value] of Object.entries(module))
    for (const [i, item] of (Array.isArray(value) ? value : [value]).entries()) {
      const path = [...(name ? [name] : []), field, ...(Array.isArray(value) ? [i] : [])].join(".");
      if (item instanceof Module) yield* partsOf(item, path, seen);
    }
}

/** An own property in front of the prototype's. @returns what takes it away */
function shadow(target: object, key: string, value: unknown): () => void {
  Object.defineProperty(target, key, { value, configurable: true, writable: true });
  return () => void Reflect.deleteProperty(target, key);
}

/** What is meant by costs here. */
type Costs = Pick<LayerSummary, "flops" | "elements">;
type Call = Costs & Pick<LayerSummary, "outputs" | "calls">;

/** Notes what the methods of a module answer and cost; those that call each other count once. */
function watch(module: Module, calls: Map<Module, Call>, backend: MetaBackend): (() => void)[] {
  let isRunning = false;
  return [...methodsOf(module)].map(([key, method]) =>
    shadow(module, key, (...args: unknown[]) => {
      if (isRunning) return method.apply(module, args);
      isRunning = true;
      try {
        const before = costsOf(backend);
        const result = method.apply(module, args);
        const { flops, elements } = difference(costsOf(backend), before);
        const so = calls.get(module) ?? { outputs: [], calls: 0, flops: 0, elements: 0 };
        const outputs = outputsOf(result);
        calls.set(module, {
          outputs: outputs.length ? outputs : so.outputs,
          ...{ calls: so.calls + 1, flops: so.flops + flops, elements: so.elements + elements },
        });
        return result;
      } finally {
        isRunning = false;
      }
    }),
  );
}

type Method = (this: Module, ...args: unknown[]) => unknown;

/** Methods of the module's own class. */
function* methodsOf(module: Module): Generator<[string, Method]> {
  let prototype = Object.getPrototypeOf(module) as object;
  for (; prototype !== Module.prototype; prototype = Object.getPrototypeOf(prototype) as object)
    for (const [key, { value }] of Object.entries(Object.getOwnPropertyDescriptors(prototype)))
      if (key !== "constructor" && typeof value === "function" && !Object.hasOwn(module, key)) yield [key, value];
}

function costsOf({ costs }: MetaBackend): Costs {
  let [flops, elements] = [0, 0];
  for (const cost of costs.values()) {
    flops += cost.productFlops;
    elements += cost.elements;
  }
  return { flops, elements };
}

function difference(after: Costs, before: Costs): Costs {
  return { flops: after.flops - before.flops, elements: after.elements - before.elements };
}

function outputsOf(result: unknown): LayerOutput[] {
  if (result instanceof Tensor) return [{ name: "", shape: result.shape }];
  if (typeof result !== "object" || result === null) return [];
  return Object.entries(result).flatMap(([name, value]) =>
    value instanceof Tensor ? [{ name, shape: value.shape }] : [],
  );
}

function metaTwin({ shape, dtype, size }: Tensor, backend: MetaBackend): Tensor {
  return new Tensor(backend, shape, backend.allocate(dtype, size), "summary");
}

/** The same with tensors of the same shapes on the `meta` device, inside of arrays and plain objects too. */
function twins(value: unknown, backend: MetaBackend): unknown {
  if (value instanceof Tensor) return metaTwin(value, backend);
  if (value instanceof Parameter) return value;
  if (Array.isArray(value)) return value.map((item) => twins(item, backend));
  if (typeof value !== "object" || value === null || Object.getPrototypeOf(value) !== Object.prototype) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, twins(item, backend)]));
}

/** So many of the tensors that a layer answers are shown. */
const SHOWN = 2;

function formatSummary({ layers, parameters, flops, elements }: Omit<ModelSummary, "toString">): string {
  const head = ["layer", "type", "output", "calls", "parameters", "MFLOP"];
  const rows = layers.map(({ name, type, outputs, ...layer }) => [
    ...[name || "(the model)", type, formatOutputs(outputs), layer.calls ? String(layer.calls) : "–"],
    ...[layer.parameters.toLocaleString("en"), (layer.flops / 1e6).toFixed(3)],
  ]);
  const widths = head.map((_, column) => Math.max(...[head, ...rows].map((row) => row[column]!.length)));
  const lines = [head, ...rows].map((row) =>
    row.map((cell, column) => (column < 3 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!))).join("  "),
  );
  const total = `${parameters.toLocaleString("en")} parameters; ${(flops / 1e6).toFixed(3)} MFLOP in matrix products, ${elements.toLocaleString("en")} numbers written by all else`;
  return [...lines, total].join("\n");
}

function formatOutputs(outputs: readonly LayerOutput[]): string {
  const shown = outputs.slice(0, SHOWN).map(({ name, shape }) => `${name ? `${name} ` : ""}${formatShape(shape)}`);
  return [...shown, ...(outputs.length > SHOWN ? ["…"] : [])].join(", ") || "–";
}
