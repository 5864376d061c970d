import ndarray from "ndarray";
import type { Shape } from "../../shape.ts";
import type { CpuView } from "./types.ts";

/** The same cells in another shape; for row-major views, as outputs are. */
export function reshaped(view: CpuView, shape: Shape): CpuView {
  return ndarray(view.data, [...shape], undefined, view.offset);
}

/** The view read as if it had the shape `target`: stride 0 along the axes that broadcast (numpy's rule). */
export function broadcast(view: CpuView, target: Shape): CpuView {
  const lead = target.length - view.dimension;
  const strides = target.map((_, axis) =>
    axis < lead || view.shape[axis - lead] === 1 ? 0 : view.stride[axis - lead],
  );
  return ndarray(view.data, [...target], strides, view.offset);
}

/** Cell i of the result is cell start + i · step of the view, along each axis. */
export function sliced(view: CpuView, shape: Shape, starts: readonly number[], steps: readonly number[]): CpuView {
  let offset = view.offset;
  for (let axis = 0; axis < shape.length; axis++) offset += starts[axis] * view.stride[axis];
  return ndarray(
    view.data,
    [...shape],
    shape.map((_, axis) => steps[axis] * view.stride[axis]),
    offset,
  );
}

/** The first `rank` axes, at position 0 of the others. */
export function leadingAxes(view: CpuView, rank: number): CpuView {
  return ndarray(view.data, view.shape.slice(0, rank), view.stride.slice(0, rank), view.offset);
}

/**
 * A row of cells that lie evenly spaced in each view: position of the first cell and distance to the next, one per
 * view, and the number of cells. The arrays are reused from row to row.
 */
export type RowVisitor = (starts: readonly number[], steps: readonly number[], length: number) => void;

/** Visits all cells of views of one shape together, in row-major order and in rows as long as the strides allow. */
export function forEachRow(views: readonly CpuView[], visit: RowVisitor): void {
  if (views[0].size === 0) return;
  const { lengths, strides } = mergeAxes(views);
  const rowLength = lengths.pop() ?? 1;
  const steps = strides.map((stride) => stride.pop() ?? 0);
  const starts = views.map(({ offset }) => offset);
  const index = lengths.map(() => 0);
  for (;;) {
    visit(starts, steps, rowLength);
    let axis = lengths.length - 1;
    for (; axis >= 0; axis--) {
      const wraps = ++index[axis] === lengths[axis];
      const cells = wraps ? 1 - lengths[axis] : 1;
      for (let v = 0; v < starts.length; v++) starts[v] += cells * strides[v][axis];
      if (!wraps) break;
      index[axis] = 0;
    }
    if (axis < 0) return;
  }
}

/** Drops axes of length 1 and joins neighbours that every view steps through evenly. */
function mergeAxes(views: readonly CpuView[]): { lengths: number[]; strides: number[][] } {
  const lengths: number[] = [];
  const strides = views.map((): number[] => []);
  views[0].shape.forEach((length, axis) => {
    if (length === 1) return;
    const last = lengths.length - 1;
    const joins = last >= 0 && views.every(({ stride }, v) => strides[v][last] === stride[axis] * length);
    if (joins) lengths[last] *= length;
    else lengths.push(length);
    for (const [v, { stride }] of views.entries()) strides[v][lengths.length - 1] = stride[axis];
  });
  return { lengths, strides };
}

/** Copies cell by cell between views of one shape, converting to the dtype of `to`. */
export function copy(from: CpuView, to: CpuView): void {
  const source = from.data;
  const target = to.data;
  forEachRow([from, to], ([i, o], [stepI, stepO], length) => {
    for (let n = 0; n < length; n++) target[o + n * stepO!] = source[i + n * stepI!];
  });
}

/** Sets every cell of a row-major view. */
export function fill(view: CpuView, value: number): void {
  view.data.fill(value, view.offset, view.offset + view.size);
}

/** Float64 cells to gather terms in; copied to an output of less precision, each is rounded once. */
export function accumulator(shape: Shape, initial = 0): CpuView {
  const cells = ndarray<CpuView["data"]>(new Float64Array(shape.reduce((size, n) => size * n, 1)), [...shape]);
  fill(cells, initial);
  return cells;
}
