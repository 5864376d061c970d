import { full } from "../../tensor/create.ts";
import { normalizeAxes, reducedShape } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { apply, definePrimitive } from "../primitive.ts";
import { mul } from "./arithmetic.ts";
import { concat, permute, reshape, slice } from "./layout.ts";
import { broadcastTo, count, type ReduceOptions } from "./reduce.ts";

/**
 * Product over the named axes, all of them unless named; 1 over an empty axis. int32 wraps.
 * Pull-back: x̄ᵢ = ȳ ∏_{j≠i} xⱼ, formed without dividing by xᵢ, so that it holds where factors are 0: one zero leaves
 * a gradient to that factor alone, two leave none.
 *
 * @throws {ShapeError} when an axis is out of range or named twice
 */
export function prod(x: Tensor, axes?: number | readonly number[], { keepDims = false }: ReduceOptions = {}): Tensor {
  const reduced = normalizeAxes("prod", axes, x.rank);
  if (reduced.length === 0) return reshape(x, x.shape);
  const out = apply(prodPrimitive, [x], { axes: reduced });
  return keepDims ? reshape(out, reducedShape(x.shape, reduced, true)) : out;
}
const prodPrimitive = definePrimitive("prod", {
  infer: ([x], { axes }) => ({ shape: reducedShape(x.shape, axes, false), dtype: x.dtype }),
  vjp: ({ grad, inputs: [x], attributes: { axes } }) => [
    () => mul(broadcastTo(reshape(grad, reducedShape(x.shape, axes, true)), x.shape), others(x, axes)),
  ],
});

/** For every cell the product of all other cells over the axes. */
function others(x: Tensor, axes: readonly number[]): Tensor {
  const kept = x.shape.flatMap((_, axis) => (axes.includes(axis) ? [] : [axis]));
  const order = [...kept, ...axes];
  const rows = reshape(permute(x, order), [...kept.map((axis) => x.shape[axis]), count(x, axes)]);
  const products = reshape(
    othersInRow(rows),
    order.map((axis) => x.shape[axis]),
  );
  return permute(
    products,
    order.map((_, axis) => order.indexOf(axis)),
  );
}

/**
 * The same along the last axis, by halves: what surrounds a pair (a, b) surrounds a together with b, and b with a. About
 * 3n products, and as many slices as n has binary digits.
 */
function othersInRow(x: Tensor): Tensor {
  const n = x.shape[x.rank - 1];
  if (n <= 1) return full(x.shape, 1, { dtype: x.dtype, device: x.device });
  const half = n >> 1;
  const [a, b] = [slice(x, -1, 0, half), slice(x, -1, half, 2 * half)];
  const pairs = mul(a, b);
  const around = othersInRow(n === 2 * half ? pairs : concat([pairs, slice(x, -1, 2 * half)], -1));
  const aroundPairs = slice(around, -1, 0, half);
  return concat([mul(aroundPairs, b), mul(aroundPairs, a), slice(around, -1, half)], -1);
}
