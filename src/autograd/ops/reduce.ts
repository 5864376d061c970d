import { ShapeError } from "../../tensor/errors.ts";
import {
  broadcastAxes,
  broadcastShapes,
  normalizeAxes,
  reducedShape,
  type Shape,
  sameShape,
} from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { apply, definePrimitive } from "../primitive.ts";
import { reshape } from "./layout.ts";

export interface ReduceOptions {
  /** Keep the reduced axes with length 1. */
  readonly keepDims?: boolean;
}

/**
 * Sum over the named axes, all of them unless named; 0 over an empty axis.
 * Pull-back: x̄ = the gradient broadcast back along the summed axes.
 */
export function sum(x: Tensor, axes?: number | readonly number[], { keepDims = false }: ReduceOptions = {}): Tensor {
  const reduced = normalizeAxes("sum", axes, x.rank);
  if (reduced.length === 0) return reshape(x, x.shape);
  const out = apply(sumPrimitive, [x], { axes: reduced });
  return keepDims ? reshape(out, reducedShape(x.shape, reduced, true)) : out;
}
const sumPrimitive = definePrimitive("sum", {
  infer: ([x], { axes }) => ({ shape: reducedShape(x!.shape, axes, false), dtype: x!.dtype }),
  vjp: ({ grad, inputs: [x], attributes: { axes } }) => [
    () => broadcastTo(reshape(grad, reducedShape(x!.shape, axes, true)), x!.shape),
  ],
});

/** Repeats `x` along new and length-1 axes. Pull-back: the sum over them. @throws {ShapeError} when it does not fit */
export function broadcastTo(x: Tensor, shape: Shape): Tensor {
  if (sameShape(x.shape, shape)) return reshape(x, shape);
  if (!sameShape(broadcastShapes("broadcastTo", x.shape, shape), shape))
    throw new ShapeError("broadcastTo", "the first does not broadcast to the second", x, { shape });
  return apply(broadcastPrimitive(shape), [x], {});
}
const broadcastPrimitive = (shape: Shape) =>
  definePrimitive("broadcastTo", {
    infer: ([x]) => ({ shape, dtype: x!.dtype }),
    vjp: ({ grad, inputs: [x] }) => [() => sumTo(grad, x!.shape)],
  });

/** Sums a gradient down to the shape that was broadcast: the transpose of broadcastTo. */
export function sumTo(x: Tensor, shape: Shape): Tensor {
  if (sameShape(x.shape, shape)) return x;
  return reshape(sum(x, broadcastAxes(shape, x.shape)), shape);
}

/** How many elements a reduction over those axes takes together. */
export function count(x: Tensor, axes?: number | readonly number[]): number {
  return normalizeAxes("count", axes, x.rank).reduce((n, axis) => n * x.shape[axis]!, 1);
}
