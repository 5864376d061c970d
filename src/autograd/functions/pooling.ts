import { fromArray } from "../../tensor/create.ts";
import { isFloat } from "../../tensor/dtype.ts";
import { DTypeError, ShapeError } from "../../tensor/errors.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { div } from "../ops/arithmetic.ts";
import { max } from "../ops/extrema.ts";
import { sum } from "../ops/reduce.ts";
import { type PerAxis, perAxis, positionsOf, slidingWindows, type Window } from "./windows.ts";

export interface PoolingOptions {
  /** Default: the window's size, so that windows do not overlap. */
  readonly stride?: PerAxis;
  /** Cells added on both sides of an axis, at most half a window. Default: 0. */
  readonly padding?: PerAxis;
}

export interface MaxPoolingOptions extends PoolingOptions {
  /** Distance of neighbouring cells of a window. Default: 1. */
  readonly dilation?: PerAxis;
}

export interface AveragePoolingOptions extends PoolingOptions {
  /** Whether the zeros of the padding count in the mean. Default: true, as in PyTorch. */
  readonly countIncludePad?: boolean;
}

/**
 * Largest value of each window along the last axis; the padding never wins. Ties share the gradient equally, the rule
 * of `max`, where PyTorch gives all of it to the first. Incomplete windows at the end are left out.
 *
 * @param x [..., L]
 * @returns [..., ⌊(L + 2 padding − dilation (k − 1) − 1) / stride⌋ + 1]
 */
export function maxPool1d(x: Tensor, kernel: PerAxis, options: MaxPoolingOptions = {}): Tensor {
  return maxPool("maxPool1d", 1, x, kernel, options);
}

/**
 * Largest value of each window over the last two axes; the padding never wins. Ties share the gradient equally, the
 * rule of `max`, where PyTorch gives all of it to the first. Incomplete windows at the end are left out.
 *
 * @param x [..., H, W]
 * @param kernel the window's size, or its height and width
 * @returns [..., h, w] with h = ⌊(H + 2 padding − dilation (kh − 1) − 1) / stride⌋ + 1, and w alike
 */
export function maxPool2d(x: Tensor, kernel: PerAxis, options: MaxPoolingOptions = {}): Tensor {
  return maxPool("maxPool2d", 2, x, kernel, options);
}

/** Mean of each window along the last axis, [..., L] → [..., ⌊(L + 2 padding − k) / stride⌋ + 1]. */
export function avgPool1d(x: Tensor, kernel: PerAxis, options: AveragePoolingOptions = {}): Tensor {
  return averagePool("avgPool1d", 1, x, kernel, options);
}

/**
 * Mean of each window over the last two axes. Incomplete windows at the end are left out.
 *
 * @param x [..., H, W]
 * @param kernel the window's size, or its height and width
 * @returns [..., h, w] with h = ⌊(H + 2 padding − kh) / stride⌋ + 1, and w alike
 */
export function avgPool2d(x: Tensor, kernel: PerAxis, options: AveragePoolingOptions = {}): Tensor {
  return averagePool("avgPool2d", 2, x, kernel, options);
}

function maxPool(operation: string, axes: number, x: Tensor, kernel: PerAxis, options: MaxPoolingOptions): Tensor {
  const windows = windowsOf(operation, axes, x, kernel, options);
  return max(slidingWindows(operation, x, windows, Number.NEGATIVE_INFINITY), windowAxes(x, axes));
}

function averagePool(
  operation: string,
  axes: number,
  x: Tensor,
  kernel: PerAxis,
  { countIncludePad = true, ...options }: AveragePoolingOptions,
): Tensor {
  const windows = windowsOf(operation, axes, x, kernel, options);
  const totals = sum(slidingWindows(operation, x, windows), windowAxes(x, axes)); // [..., ...positions]
  const size = windows.reduce((product, window) => product * window.size, 1);
  return div(totals, countIncludePad ? size : realCells(x, windows));
}

/** The axes of `slidingWindows` that run over the cells of a window. */
const windowAxes = (x: Tensor, axes: number) => Array.from({ length: axes }, (_, i) => x.rank - axes + i);

function windowsOf(
  operation: string,
  axes: number,
  x: Tensor,
  kernel: PerAxis,
  { stride = kernel, padding = 0, dilation = 1 }: MaxPoolingOptions,
): Window[] {
  if (x.rank < axes) throw new ShapeError(operation, `${axes === 1 ? "an axis is" : "two axes are"} needed`, x);
  if (!isFloat(x.dtype)) throw new DTypeError(`${operation}: an ${x.dtype} operand; cast() it to float32 first`);
  const sizes = perAxis(operation, "kernel", kernel, axes, 1);
  const strides = perAxis(operation, "stride", stride, axes, 1);
  const paddings = perAxis(operation, "padding", padding, axes, 0);
  const dilations = perAxis(operation, "dilation", dilation, axes, 1);
  return sizes.map((size, i) => {
    const before = paddings[i]!;
    if (2 * before > size)
      throw new ShapeError(operation, `a padding of ${before} is more than half of the window's ${size} cells`, x);
    return { size, stride: strides[i]!, dilation: dilations[i]!, before, after: before };
  });
}

/** How many cells of each window are not padding, of the positions' shape. */
function realCells(x: Tensor, windows: readonly Window[]): Tensor {
  const counts = windows.map((window, i) => {
    const n = x.shape[x.rank - windows.length + i]!;
    return Array.from({ length: positionsOf(n, window) }, (_, p) => {
      const start = p * window.stride - window.before;
      return Math.min(n, start + window.size) - Math.max(0, start);
    });
  });
  const products = counts.reduce((all, axis) => all.flatMap((a) => axis.map((b) => a * b)), [1]);
  const shape = counts.map(({ length }) => length);
  return fromArray(products, shape, { dtype: x.dtype, device: x.device });
}
