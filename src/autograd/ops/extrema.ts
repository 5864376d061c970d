import { ShapeError } from "../../tensor/errors.ts";
import { normalizeAxes, normalizeAxis, reducedShape } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { apply, definePrimitive } from "../primitive.ts";
import { constant, div, inferElementwise, mul, type Numeric, neg, operands, sub } from "./arithmetic.ts";
import { reshape } from "./layout.ts";
import { broadcastTo, type ReduceOptions, sum, sumTo } from "./reduce.ts";
import { cast, equal, less, where } from "./select.ts";

/** Largest value over the named axes; NaN wins. Ties share the gradient equally. @throws {ShapeError} over an empty axis */
export function max(x: Tensor, axes?: number | readonly number[], options: ReduceOptions = {}): Tensor {
  return extremum("max", x, axes, options);
}

/** Smallest value over the named axes; NaN wins. Ties share the gradient equally. @throws {ShapeError} over an empty axis */
export function min(x: Tensor, axes?: number | readonly number[], options: ReduceOptions = {}): Tensor {
  return extremum("min", x, axes, options);
}

function extremum(
  name: "max" | "min",
  x: Tensor,
  axes: number | readonly number[] | undefined,
  { keepDims = false }: ReduceOptions,
): Tensor {
  const reduced = normalizeAxes(name, axes, x.rank);
  if (reduced.some((axis) => x.shape[axis] === 0)) throw new ShapeError(name, "an empty axis has no extremum", x);
  if (reduced.length === 0) return reshape(x, x.shape);
  const out = apply(extremumPrimitives[name], [x], { axes: reduced });
  return keepDims ? reshape(out, reducedShape(x.shape, reduced, true)) : out;
}

const defineExtremum = (name: "max" | "min") =>
  definePrimitive(name, {
    infer: ([x], { axes }) => ({ shape: reducedShape(x!.shape, axes, false), dtype: x!.dtype }),
    vjp: ({ grad, inputs: [x], out, attributes: { axes } }) => [
      () => {
        const kept = reducedShape(x!.shape, axes, true);
        const winners = cast(equal(x!, reshape(out, kept)), x!.dtype);
        const share = div(reshape(grad, kept), sum(winners, axes, { keepDims: true }));
        return mul(winners, broadcastTo(share, x!.shape));
      },
    ],
  });
const extremumPrimitives = { max: defineExtremum("max"), min: defineExtremum("min") };

/** Index of the first largest value along an axis, int32. No derivative. */
export function argmax(x: Tensor, axis = -1): Tensor {
  const at = normalizeAxis("argmax", axis, x.rank);
  if (x.shape[at] === 0) throw new ShapeError("argmax", "an empty axis has no maximum", x);
  return apply(argmaxPrimitive, [x], { axis: at });
}
const argmaxPrimitive = definePrimitive("argmax", {
  infer: ([x], { axis }) => ({ shape: reducedShape(x!.shape, [axis], false), dtype: "int32" }),
  vjp: "none",
});

/** Index of the first smallest value along an axis, int32; the first NaN counts as the smallest. No derivative. */
export function argmin(x: Tensor, axis = -1): Tensor {
  const at = normalizeAxis("argmin", axis, x.rank);
  if (x.shape[at] === 0) throw new ShapeError("argmin", "an empty axis has no minimum", x);
  // −1 − x reverses the order of all of int32; −x would overflow at its smallest.
  return argmax(x.dtype === "int32" ? sub(-1, x) : neg(x), at);
}

/** The larger of two values, element by element; NaN wins, and 0 is larger than −0. Ties share the gradient equally. */
export function maximum(a: Numeric, b: Numeric): Tensor {
  return apply(maximumPrimitive, operands(a, b, "maximum"), {});
}

/** The smaller of two values, element by element; NaN wins, and −0 is smaller than 0. Ties share the gradient equally. */
export function minimum(a: Numeric, b: Numeric): Tensor {
  return apply(minimumPrimitive, operands(a, b, "minimum"), {});
}

/** The gradient where `wins` is 1, half of it where the operands tie. */
const shareOf = (grad: Tensor, wins: Tensor, ties: Tensor) => where(ties, mul(grad, 0.5), where(wins, grad, 0));

const maximumPrimitive = definePrimitive("maximum", {
  infer: (inputs) => inferElementwise("maximum", inputs),
  vjp: ({ grad, inputs: [a, b] }) => [
    () => sumTo(shareOf(grad, less(b!, a!), equal(a!, b!)), a!.shape),
    () => sumTo(shareOf(grad, less(a!, b!), equal(a!, b!)), b!.shape),
  ],
});
const minimumPrimitive = definePrimitive("minimum", {
  infer: (inputs) => inferElementwise("minimum", inputs),
  vjp: ({ grad, inputs: [a, b] }) => [
    () => sumTo(shareOf(grad, less(a!, b!), equal(a!, b!)), a!.shape),
    () => sumTo(shareOf(grad, less(b!, a!), equal(a!, b!)), b!.shape),
  ],
});

/** |x|; the derivative is sign x, 0 at 0. |−0| = 0, |−∞| = ∞, NaN stays; −2³¹ of int32 has no opposite and stays. */
export function abs(x: Tensor): Tensor {
  return apply(absPrimitive, [x], {});
}
const absPrimitive = definePrimitive("abs", {
  infer: (inputs) => inferElementwise("abs", inputs),
  vjp: ({ grad, inputs: [x] }) => [() => mul(grad, sign(x!))],
});

/** −1, 0 or 1. No derivative. */
export function sign(x: Tensor): Tensor {
  return apply(signPrimitive, [x], {});
}
const signPrimitive = definePrimitive("sign", { infer: (inputs) => inferElementwise("sign", inputs), vjp: "none" });

/** max(x, 0); the derivative at 0 is ½, the tie rule of maximum. */
export function relu(x: Tensor): Tensor {
  return maximum(x, constant(0, x));
}
