import type { Parameter } from "../../autograd/graph.ts";
import { type HostArray, problemsOf, setParameter } from "../../nn/module.ts";
import { allocateArray, type TypedArray } from "../../tensor/dtype.ts";
import { DataError, formatShape } from "../../tensor/errors.ts";
import { sizeOf } from "../../tensor/shape.ts";
import { originalLayout } from "./original.ts";
import type { Loadable, PublishedWeight, WeightLayout } from "./published-weight.ts";

/** The names of a model's parameters in published files, in their order. */
export function publishedNames(model: Loadable, layout: WeightLayout = originalLayout): PublishedWeight[] {
  return layout.weights(model);
}

/**
 * Replaces every parameter of the model by published weights. Values are read twice, to check and to copy, and one
 * tensor at a time, so that tensors that read from a file on demand need no memory of their own.
 *
 * @param source what errors name, a file
 * @throws {DataError} that lists all missing and unexpected tensors and wrong shapes, and names weights that are not
 *   finite; the model is then unchanged
 */
export function loadPublishedWeights(
  model: Loadable,
  tensors: ReadonlyMap<string, HostArray>,
  source = "weights",
  layout: WeightLayout = originalLayout,
): void {
  const present = new Set(tensors.keys());
  const weights = layout.weights(model).map((weight) => ({ ...weight, name: layout.find(weight.published, present) }));
  const known = new Set(weights.map(({ name }) => name));
  const problems = [
    ...weights.flatMap(({ name, published, shape }) => {
      const tensor = tensors.get(name);
      return tensor ? problemsOf(name, tensor, shape) : [`missing ${published} ${formatShape(shape)}`];
    }),
    ...[...tensors].flatMap(([name, { shape }]) =>
      known.has(name) || layout.mayBeLeft(name, known) ? [] : [`unexpected ${name} ${formatShape(shape)}`],
    ),
  ];
  if (problems.length) throw new DataError(`${source}: ${problems.join("; ")}`);
  const parameters = model.namedParameters();
  for (const [path, parameter] of parameters) {
    const parts = weights.filter((weight) => weight.parameter === path);
    if (parts.length === 1) setParameter(parameter, tensors.get(parts[0]!.name)!);
    else setParameter(parameter, { data: assemble(parameter, parts, tensors) });
  }
}

/** A parameter of whose rows several tensors hold a part each. */
function assemble(
  { shape, value }: Parameter,
  parts: readonly (PublishedWeight & { readonly name: string })[],
  tensors: ReadonlyMap<string, HostArray>,
): TypedArray {
  const whole = allocateArray(value.dtype, sizeOf(shape));
  const width = whole.length / shape[0]!;
  for (const { name, rows } of parts) {
    const { data } = tensors.get(name)!;
    for (let i = 0; i < data.length; i++) whole[rows![0] * width + i] = data[i]!;
  }
  return whole;
}

/**
 * The model's weights, or what `read` gives of each parameter, under their published names and shapes. Values are read
 * each time they are asked for, so that a large model need not be in memory twice.
 */
export function publishedWeights(
  model: Loadable,
  layout: WeightLayout = originalLayout,
  read: (parameter: Parameter) => TypedArray = ({ value }) => value.dataSync(),
): Map<string, { readonly shape: readonly number[]; readonly data: TypedArray }> {
  const parameters = model.namedParameters();
  return new Map(
    layout.weights(model).map(({ published, shape, parameter: path, rows }) => {
      const parameter = parameters.get(path)!;
      const data = () => {
        const values = read(parameter);
        const width = values.length / parameter.shape[0]!;
        return rows ? values.slice(rows[0] * width, rows[1] * width) : values;
      };
      return [
        published,
        {
          shape,
          get data() {
            return data();
          },
        },
      ];
    }),
  );
}
