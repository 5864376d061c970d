import { formatShape, ShapeError } from "../../tensor/errors.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { expandDims, pad, slice, stack } from "../ops/layout.ts";

/** One number for all spatial axes, or one for each. */
export type PerAxis = number | readonly number[];

/** How a window moves along one axis. */
export interface Window {
  readonly size: number;
  readonly stride: number;
  /** Distance of neighbouring cells of one window. */
  readonly dilation: number;
  /** Cells added before and after the axis. */
  readonly before: number;
  readonly after: number;
}

/** One number for each of `count` axes. @throws {ShapeError} for another count, a fraction, or less than `least` */
export function perAxis(operation: string, name: string, value: PerAxis, count: number, least: number): number[] {
  const list = typeof value === "number" ? new Array<number>(count).fill(value) : [...value];
  if (list.length !== count || list.some((n) => !Number.isInteger(n) || n < least))
    throw new ShapeError(
      operation,
      `${name} ${formatShape(list)} is not ${count} whole number${count === 1 ? "" : "s"} of at least ${least}`,
    );
  return list;
}

/** How many positions a window has on an axis of n cells: ⌊(n + before + after − dilation (size − 1) − 1) / stride⌋ + 1. */
export function positionsOf(n: number, { size, stride, dilation, before, after }: Window): number {
  return Math.floor((n + before + after - dilation * (size - 1) - 1) / stride) + 1;
}

/**
 * The windows over the last axes, one strided slice for each cell of a window:
 * out[…, i…, p…] = padded x[…, p stride + i dilation …].
 *
 * @param x [...lead, ...spatial], one window description for each spatial axis
 * @param fill what stands in the padding
 * @returns [...lead, ...window sizes, ...positions]
 * @throws {ShapeError} when a window is longer than the padded axis
 */
export function slidingWindows(operation: string, x: Tensor, windows: readonly Window[], fill = 0): Tensor {
  const lead = x.rank - windows.length;
  for (const [i, window] of windows.entries())
    if (positionsOf(x.shape[lead + i]!, window) < 1)
      throw new ShapeError(
        operation,
        `a window of ${window.dilation * (window.size - 1) + 1} cells does not fit on axis ${lead + i}`,
        x,
        `with padding it has ${x.shape[lead + i]! + window.before + window.after}`,
      );
  const widths = (side: "before" | "after") => x.shape.map((_, axis) => windows[axis - lead]?.[side] ?? 0);
  const isPadded = windows.some(({ before, after }) => before > 0 || after > 0);
  let out = isPadded ? pad(x, widths("before"), widths("after"), fill) : x;
  for (const [i, window] of windows.entries()) {
    const { size, stride, dilation } = window;
    const axis = lead + 2 * i; // after i axes of windows and i axes of positions
    const span = (positionsOf(x.shape[lead + i]!, window) - 1) * stride + 1;
    const cellsOf = (from: Tensor) =>
      Array.from({ length: size }, (_, cell) => slice(from, axis, cell * dilation, cell * dilation + span, stride));
    const isWhole = size === 1 && stride === 1;
    // [...lead, sizes so far, this size, positions so far, these positions, rest]
    out = isWhole ? expandDims(out, lead + i) : stack(cellsOf(out), lead + i);
  }
  return out;
}
