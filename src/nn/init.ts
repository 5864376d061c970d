import { Parameter } from "../autograd/graph.ts";
import { full, type Placement, randn } from "../tensor/create.ts";
import type { Rng } from "../tensor/rng.ts";
import { type Shape, sizeOf } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";

/** The spread of weights: "normal" draws all with std 0.02 (BERT's), "fanIn" those of linear maps with 1/√fan_in. */
export type Initializer = "normal" | "fanIn";

/** How and where a layer makes its parameters. */
export interface LayerOptions extends Placement {
  /** Draws the weights; null leaves zeros, for weights that are loaded or only counted. */
  readonly rng: Rng | null;
  /** Default: "normal". */
  readonly initializer?: Initializer;
}

/** Standard deviation of tables, and of everything under "normal" (BERT's initializer_range). */
const NORMAL_STD = 0.02;

/** The placement alone. */
export function placementOf({ dtype, device }: Placement): Placement {
  return { ...(dtype && { dtype }), ...(device && { device }) };
}

function owned(value: Tensor): Parameter {
  const parameter = new Parameter(value);
  value.release("the parameter that took it over");
  return parameter;
}

/** Weights of a linear map [out, in], or of a convolution [out, in, kh, kw], whose fan-in counts the kernel's cells. */
export function linearWeight(shape: Shape, options: LayerOptions): Parameter {
  const std = options.initializer === "fanIn" ? sizeOf(shape.slice(1)) ** -0.5 : NORMAL_STD;
  return normal(shape, std, options);
}

/** Rows of a table: embeddings, positions, types. */
export function tableWeight(shape: Shape, options: LayerOptions): Parameter {
  return normal(shape, NORMAL_STD, options);
}

function normal(shape: Shape, std: number, options: LayerOptions): Parameter {
  const { rng } = options;
  return rng ? owned(randn(shape, rng, { std, ...placementOf(options) })) : constantWeight(shape, 0, options);
}

export function constantWeight(shape: Shape, value: number, options: Placement): Parameter {
  return owned(full(shape, value, placementOf(options)));
}
