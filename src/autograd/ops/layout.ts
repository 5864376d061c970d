import { commonDType } from "../../tensor/dtype.ts";
import { ShapeError } from "../../tensor/errors.ts";
import { isShape, normalizeAxis, type Shape, sizeOf } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { record } from "../graph.ts";
import { apply, definePrimitive } from "../primitive.ts";

/**
 * The same values in row-major order under another shape; shares the memory.
 *
 * @param shape one length may be −1: what remains
 * @throws {ShapeError} when the number of elements differs
 */
export function reshape(x: Tensor, shape: Shape): Tensor {
  const target = inferLength(x, shape);
  const out = x.alias(target, "reshape");
  record("reshape", [x], out, (grad) => [() => reshape(grad, x.shape)]);
  return out;
}

function inferLength(x: Tensor, shape: Shape): number[] {
  const unknown = shape.indexOf(-1);
  const target = [...shape];
  if (unknown >= 0) target[unknown] = -x.size / sizeOf(shape);
  if (sizeOf(target) !== x.size || !isShape(target))
    throw new ShapeError("reshape", `${x.size} elements do not fit`, x, { shape });
  return target;
}

/** Reorders the axes: output axis i is input axis `axes[i]`. Pull-back: the inverse order. */
export function permute(x: Tensor, axes: readonly number[]): Tensor {
  const order = axes.map((axis) => normalizeAxis("permute", axis, x.rank));
  if (order.length !== x.rank || new Set(order).size !== x.rank)
    throw new ShapeError("permute", `[${axes.join(", ")}] does not name each axis once`, x);
  return apply(permutePrimitive, [x], { axes: order });
}
const permutePrimitive = definePrimitive("permute", {
  infer: ([x], { axes }) => ({ shape: axes.map((axis) => x!.shape[axis]!), dtype: x!.dtype }),
  vjp: ({ grad, attributes: { axes } }) => [
    () =>
      permute(
        grad,
        axes.map((_, axis) => axes.indexOf(axis)),
      ),
  ],
});

/** Swaps two axes, the last two unless named. */
export function transpose(x: Tensor, axisA = -2, axisB = -1): Tensor {
  const [a, b] = [normalizeAxis("transpose", axisA, x.rank), normalizeAxis("transpose", axisB, x.rank)];
  return permute(
    x,
    x.shape.map((_, axis) => (axis === a ? b : axis === b ? a : axis)),
  );
}

/** Inserts an axis of length 1 before `axis` of the result. */
export function expandDims(x: Tensor, axis: number): Tensor {
  const at = normalizeAxis("expandDims", axis, x.rank + 1);
  return reshape(x, [...x.shape.slice(0, at), 1, ...x.shape.slice(at)]);
}

/** Removes one axis of length 1, or all of them. @throws {ShapeError} when the named axis is longer */
export function squeeze(x: Tensor, axis?: number): Tensor {
  if (axis === undefined)
    return reshape(
      x,
      x.shape.filter((n) => n !== 1),
    );
  const at = normalizeAxis("squeeze", axis, x.rank);
  if (x.shape[at] !== 1) throw new ShapeError("squeeze", `axis ${axis} has length ${x.shape[at]}, not 1`, x);
  return reshape(
    x,
    x.shape.filter((_, i) => i !== at),
  );
}

/**
 * Cells start, start + step, … of one axis; numpy's rules for negative positions and steps.
 *
 * @param end exclusive; the end of the axis when not given
 */
export function slice(x: Tensor, axis: number, start: number, end?: number, step = 1): Tensor {
  const at = normalizeAxis("slice", axis, x.rank);
  const n = x.shape[at]!;
  if (!Number.isInteger(step) || step === 0)
    throw new ShapeError("slice", `a step of ${step} is not a whole number other than 0`, x);
  const clampTo = (position: number, low: number, high: number) =>
    Math.min(high, Math.max(low, position < 0 ? position + n : position));
  const first = step > 0 ? clampTo(start, 0, n) : clampTo(start, -1, n - 1);
  const last = end === undefined ? (step > 0 ? n : -1) : step > 0 ? clampTo(end, 0, n) : clampTo(end, -1, n - 1);
  const count = Math.max(0, Math.ceil((last - first) / step));
  return sliceTo(
    x,
    x.shape.map((_, i) => (i === at ? first : 0)),
    x.shape.map((_, i) => (i === at ? step : 1)),
    x.shape.map((length, i) => (i === at ? count : length)),
  );
}

/** One position of an axis, without the axis. */
export function select(x: Tensor, axis: number, index: number): Tensor {
  const at = normalizeAxis("select", axis, x.rank);
  const n = x.shape[at]!;
  if (!Number.isInteger(index) || index < -n || index >= n)
    throw new ShapeError("select", `index ${index} is out of range for axis ${axis} of length ${n}`, x);
  const position = index < 0 ? index + n : index;
  return reshape(
    slice(x, at, position, position + 1),
    x.shape.filter((_, i) => i !== at),
  );
}

function sliceTo(x: Tensor, starts: readonly number[], steps: readonly number[], shape: Shape): Tensor {
  return apply(slicePrimitive(shape), [x], { starts, steps });
}
const slicePrimitive = (shape: Shape) =>
  definePrimitive("slice", {
    infer: ([x]) => ({ shape, dtype: x!.dtype }),
    vjp: ({ grad, inputs: [x], attributes: { starts, steps } }) => [() => padTo(grad, starts, steps, x!.shape, 0)],
  });

/** Surrounds `x` by `before[i]` and `after[i]` cells of `value` along each axis. Pull-back: the slice of the middle. */
export function pad(x: Tensor, before: readonly number[], after: readonly number[], value = 0): Tensor {
  if (before.length !== x.rank || after.length !== x.rank || [...before, ...after].some((n) => n < 0))
    throw new ShapeError(
      "pad",
      `widths [${before.join(", ")}] and [${after.join(", ")}] are not one for each axis, of at least 0`,
      x,
    );
  return padTo(
    x,
    before,
    x.shape.map(() => 1),
    x.shape.map((n, i) => before[i]! + n + after[i]!),
    value,
  );
}

function padTo(x: Tensor, starts: readonly number[], steps: readonly number[], shape: Shape, value: number): Tensor {
  return apply(padPrimitive(shape), [x], { starts, steps, value });
}
const padPrimitive = (shape: Shape) =>
  definePrimitive("pad", {
    infer: ([x]) => ({ shape, dtype: x!.dtype }),
    vjp: ({ grad, inputs: [x], attributes: { starts, steps } }) => [() => sliceTo(grad, starts, steps, x!.shape)],
  });

/** The order of one axis, or of several, reversed. */
export function flip(x: Tensor, axes: number | readonly number[]): Tensor {
  return (typeof axes === "number" ? [axes] : axes).reduce((y, axis) => slice(y, axis, -1, undefined, -1), x);
}

/** Joins tensors along an axis; all other lengths must agree. Pull-back: the slices. */
export function concat(xs: readonly Tensor[], axis: number): Tensor {
  const [first] = xs;
  if (!first) throw new ShapeError("concat", "there is nothing to join, the list is empty");
  return apply(concatPrimitive, xs, { axis: normalizeAxis("concat", axis, first.rank) });
}
const concatPrimitive = definePrimitive("concat", {
  infer(xs, { axis }) {
    const [first] = xs;
    for (const x of xs)
      if (x.rank !== first!.rank || x.shape.some((n, i) => i !== axis && n !== first!.shape[i]))
        throw new ShapeError("concat", `lengths differ beside axis ${axis}`, first!, x);
    const length = xs.reduce((sum, x) => sum + x.shape[axis]!, 0);
    return { shape: first!.shape.map((n, i) => (i === axis ? length : n)), dtype: commonDType("concat", xs) };
  },
  vjp({ grad, inputs, attributes: { axis } }) {
    let start = 0;
    return inputs.map((x) => {
      const from = start;
      start += x.shape[axis]!;
      return () => slice(grad, axis, from, from + x.shape[axis]!);
    });
  },
});

/** Joins tensors of one shape along a new axis. */
export function stack(xs: readonly Tensor[], axis = 0): Tensor {
  return concat(
    xs.map((x) => expandDims(x, axis)),
    axis,
  );
}

/** Cuts an axis into parts of the given lengths. */
export function split(x: Tensor, lengths: readonly number[], axis: number): Tensor[] {
  const total = lengths.reduce((sum, n) => sum + n, 0);
  if (total !== x.shape.at(axis)) throw new ShapeError("split", `lengths add up to ${total}, not to axis ${axis}`, x);
  let start = 0;
  return lengths.map((n) => {
    start += n;
    return slice(x, axis, start - n, start);
  });
}
