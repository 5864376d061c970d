import { Parameter } from "../autograd/graph.ts";
import { fromArray } from "../tensor/create.ts";
import { isFloat, toTypedArray } from "../tensor/dtype.ts";
import { DataError, formatShape } from "../tensor/errors.ts";
import { type Shape, sameShape } from "../tensor/shape.ts";

/** Values on the host with their shape: what files hold. */
export interface HostArray {
  readonly shape: Shape;
  readonly data: ArrayLike<number>;
}

/**
 * A part of a model that owns parameters: fields that are parameters, modules, or arrays of modules. Subclasses are
 * final and have a `forward`; nothing here knows about training or evaluation.
 */
export abstract class Module {
  /** Parameters by the dotted path of fields that leads to them; one that is shared appears once, where it is met first. */
  namedParameters(): Map<string, Parameter> {
    const named = new Map<string, Parameter>();
    const seen = new Set<Parameter>();
    walk(this, "", (path, parameter) => {
      if (seen.has(parameter)) return;
      seen.add(parameter);
      named.set(path, parameter);
    });
    return named;
  }

  parameters(): Parameter[] {
    return [...this.namedParameters().values()];
  }

  /** Number of weights. */
  countParameters(): number {
    return this.parameters().reduce((count, { value }) => count + value.size, 0);
  }

  /**
   * Replaces every parameter; values take the dtype and device of the parameter they replace.
   *
   * @param source what the error names
   * @throws {DataError} that lists all missing and unexpected names, wrong shapes, and values that are not finite
   */
  loadParameters(values: ReadonlyMap<string, HostArray>, source = "loadParameters"): void {
    const named = this.namedParameters();
    const problems = [
      ...[...named].flatMap(([name, { shape }]) => {
        const value = values.get(name);
        if (!value) return [`missing ${name} ${formatShape(shape)}`];
        return problemsOf(name, value, shape);
      }),
      ...[...values].flatMap(([name, { shape }]) =>
        named.has(name) ? [] : [`unexpected ${name} ${formatShape(shape)}`],
      ),
    ];
    if (problems.length) throw new DataError(`${source}: ${problems.join("; ")}`);
    for (const [name, parameter] of named) setParameter(parameter, values.get(name)!);
  }
}

/** What makes `value` unfit for a parameter of that shape. */
export function problemsOf(name: string, { shape, data }: HostArray, expected: Shape): string[] {
  if (!sameShape(shape, expected)) return [`${name} is ${formatShape(shape)}, not ${formatShape(expected)}`];
  for (let i = 0; i < data.length; i++)
    if (!Number.isFinite(data[i]!)) return [`${name} holds ${data[i]} at element ${i}`];
  return [];
}

/** Puts host values into a parameter, in its dtype and on its device. */
export function setParameter(parameter: Parameter, { data }: Pick<HostArray, "data">): void {
  const { dtype, device, shape } = parameter.value;
  const value = fromArray(isFloat(dtype) ? toTypedArray(data, dtype) : data, shape, { dtype, device });
  parameter.value = value;
  value.release("setParameter()");
}

function walk(module: Module, prefix: string, visit: (path: string, parameter: Parameter) => void): void {
  for (const [field, value] of Object.entries(module)) {
    if (value instanceof Parameter) visit(prefix + field, value);
    else if (value instanceof Module) walk(value, `${prefix}${field}.`, visit);
    else if (Array.isArray(value))
      for (const [i, item] of value.entries()) if (item instanceof Module) walk(item, `${prefix}${field}.${i}.`, visit);
  }
}
