import { formatShape, ShapeError } from "./errors.ts";

export type Shape = readonly number[];

/** Number of elements. */
export function sizeOf(shape: Shape): number {
  let size = 1;
  for (let axis = 0; axis < shape.length; axis++) size *= shape[axis]!;
  return size;
}

/** Row-major strides, in elements. */
export function stridesOf(shape: Shape): number[] {
  const strides = new Array<number>(shape.length);
  for (let axis = shape.length - 1, stride = 1; axis >= 0; stride *= shape[axis]!, axis--) strides[axis] = stride;
  return strides;
}

export function sameShape(a: Shape, b: Shape): boolean {
  if (a === b) return true;
  if (a.length !== b.length) return false;
  for (let axis = 0; axis < a.length; axis++) if (a[axis] !== b[axis]) return false;
  return true;
}

/** The shape both broadcast to, aligned at the last axis (numpy's rule). */
export function broadcastShapes(operation: string, a: Shape, b: Shape): number[] {
  const rank = Math.max(a.length, b.length);
  const out: number[] = [];
  for (let axis = 0; axis < rank; axis++) {
    const m = a[axis - rank + a.length] ?? 1;
    const n = b[axis - rank + b.length] ?? 1;
    if (m !== n && m !== 1 && n !== 1)
      throw new ShapeError(
        operation,
        `axis ${axis} does not broadcast (${m} against ${n})`,
        { shape: a },
        { shape: b },
      );
    out.push(m === 1 ? n : m);
  }
  return out;
}

/** Strides that read a tensor of `shape` as if it had the shape `target`; 0 along broadcast axes. */
export function broadcastStrides(shape: Shape, target: Shape): number[] {
  const strides = stridesOf(shape);
  const lead = target.length - shape.length;
  return target.map((_, axis) => (axis < lead || shape[axis - lead] === 1 ? 0 : strides[axis - lead]!));
}

/** Axes of `target` along which `shape` is broadcast. */
export function broadcastAxes(shape: Shape, target: Shape): number[] {
  const lead = target.length - shape.length;
  return target.flatMap((n, axis) => (axis < lead || (shape[axis - lead] === 1 && n !== 1) ? [axis] : []));
}

/** A negative axis counts from the end. */
export function normalizeAxis(operation: string, axis: number, rank: number): number {
  const normalized = axis < 0 ? axis + rank : axis;
  if (!Number.isInteger(axis) || normalized < 0 || normalized >= rank)
    throw new ShapeError(operation, `axis ${axis} is out of range for ${rank} axes`);
  return normalized;
}

/** Sorted, distinct, non-negative axes; all of them when none are named. */
export function normalizeAxes(operation: string, axes: number | readonly number[] | undefined, rank: number): number[] {
  if (axes === undefined) return Array.from({ length: rank }, (_, axis) => axis);
  const list = (typeof axes === "number" ? [axes] : axes).map((axis) => normalizeAxis(operation, axis, rank));
  if (new Set(list).size !== list.length)
    throw new ShapeError(operation, `an axis is named twice in ${formatShape(list)}`);
  return list.sort((a, b) => a - b);
}

/** The shape after reducing `axes`: removed, or 1 with `keepDims`. */
export function reducedShape(shape: Shape, axes: readonly number[], keepDims: boolean): number[] {
  if (keepDims) return shape.map((n, axis) => (axes.includes(axis) ? 1 : n));
  return shape.filter((_, axis) => !axes.includes(axis));
}

/** Whether all lengths are whole and none is negative. */
export function isShape(shape: Shape): boolean {
  return shape.every((n) => Number.isInteger(n) && n >= 0);
}

/** @throws {ShapeError} for a negative or fractional length */
export function checkShape(operation: string, shape: Shape): void {
  if (!isShape(shape))
    throw new ShapeError(operation, `a shape has whole, non-negative lengths, not ${formatShape(shape)}`);
}
