import { commonDType } from "../../tensor/dtype.ts";
import { ShapeError } from "../../tensor/errors.ts";
import { sameShape, sizeOf } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { add } from "../ops/arithmetic.ts";
import { reshape } from "../ops/layout.ts";
import { matmul } from "../ops/linalg.ts";
import { type PerAxis, perAxis, slidingWindows, type Window } from "./windows.ts";

export interface ConvolutionOptions {
  /** [out]. */
  readonly bias?: Tensor | null;
  /** Default: 1. */
  readonly stride?: PerAxis;
  /**
   * Zeros on both sides of an axis; "valid" for none, "same" for as many as keep its length at stride 1, the odd one
   * after it. Default: 0.
   */
  readonly padding?: PerAxis | "valid" | "same";
  /** Distance of neighbouring cells of the kernel. Default: 1. */
  readonly dilation?: PerAxis;
  /** Channels are cut into that many parts, each with kernels of its own. Default: 1. */
  readonly groups?: number;
}

/**
 * out[b, o, p] = bias[o] + Σ_c Σᵢ x[b, c, p stride + i dilation] weight[o, c, i], with x padded by zeros: a
 * cross-correlation, as all libraries call convolution.
 *
 * @param x [B, C, L]
 * @param weight [out, C / groups, k]
 * @returns [B, out, ⌊(L + 2 padding − dilation (k − 1) − 1) / stride⌋ + 1]
 * @throws {ShapeError} when channels, groups or lengths do not fit
 */
export function conv1d(x: Tensor, weight: Tensor, options: ConvolutionOptions = {}): Tensor {
  return convolution("conv1d", 1, x, weight, options);
}

/**
 * out[b, o, p, q] = bias[o] + Σ_c Σᵢⱼ x[b, c, p stride + i dilation, q stride + j dilation] weight[o, c, i, j], with x
 * padded by zeros. Output channel o reads the input channels of its group.
 * The windows are gathered by strided slices and multiplied by the kernels as one matrix product (Chellapilla et al.
 * 2006), which takes memory of kh kw times the output's positions.
 *
 * @param x [B, C, H, W]
 * @param weight [out, C / groups, kh, kw]
 * @returns [B, out, h, w] with h = ⌊(H + 2 padding − dilation (kh − 1) − 1) / stride⌋ + 1, and w alike
 * @throws {ShapeError} when channels, groups or lengths do not fit
 */
export function conv2d(x: Tensor, weight: Tensor, options: ConvolutionOptions = {}): Tensor {
  return convolution("conv2d", 2, x, weight, options);
}

function convolution(operation: string, axes: number, x: Tensor, weight: Tensor, options: ConvolutionOptions): Tensor {
  const { bias, groups = 1 } = options;
  checkOperands(operation, axes, x, weight, options);
  const [B, C] = x.shape as [number, number];
  const [out, channels, ...kernel] = weight.shape as [number, number, ...number[]];
  const windows = slidingWindows(operation, x, windowsOf(operation, kernel, options)); // [B, C, ...kernel, ...positions]
  const positions = windows.shape.slice(2 + axes);
  const columns = reshape(windows, [B, groups, (C / groups) * sizeOf(kernel), sizeOf(positions)]);
  const rows = reshape(weight, [groups, out / groups, channels * sizeOf(kernel)]);
  const product = reshape(matmul(rows, columns), [B, out, ...positions]);
  return bias ? add(product, reshape(bias, [out, ...kernel.map(() => 1)])) : product;
}

function checkOperands(
  operation: string,
  axes: number,
  x: Tensor,
  weight: Tensor,
  { bias, groups = 1 }: ConvolutionOptions,
): void {
  if (x.rank !== axes + 2 || weight.rank !== axes + 2)
    throw new ShapeError(
      operation,
      axes === 1
        ? "x [B, C, L] and weight [out, C / groups, k] are needed"
        : "x [B, C, H, W] and weight [out, C / groups, kh, kw] are needed",
      x,
      weight,
    );
  if (!Number.isInteger(groups) || groups < 1 || x.shape[1]! % groups !== 0 || weight.shape[0]! % groups !== 0)
    throw new ShapeError(operation, `channels do not divide into ${groups} groups`, x, weight);
  if (weight.shape[1] !== x.shape[1]! / groups)
    throw new ShapeError(
      operation,
      `kernels of ${weight.shape[1]} channels for ${x.shape[1]} channels in ${groups} group${groups === 1 ? "" : "s"}`,
      x,
      weight,
    );
  if (bias && !sameShape(bias.shape, weight.shape.slice(0, 1)))
    throw new ShapeError(operation, "the bias does not have the length of the weight's first axis", bias, weight);
  commonDType(operation, [x, weight, ...(bias ? [bias] : [])]);
}

function windowsOf(
  operation: string,
  kernel: readonly number[],
  { stride = 1, padding = 0, dilation = 1 }: ConvolutionOptions,
): Window[] {
  const sizes = perAxis(operation, "kernel", kernel, kernel.length, 1);
  const strides = perAxis(operation, "stride", stride, kernel.length, 1);
  const dilations = perAxis(operation, "dilation", dilation, kernel.length, 1);
  if (padding === "same" && strides.some((n) => n !== 1))
    throw new ShapeError(operation, 'padding "same" needs a stride of 1', "give the padding as numbers");
  const paddings = typeof padding === "string" ? null : perAxis(operation, "padding", padding, kernel.length, 0);
  return sizes.map((size, i) => {
    const total = padding === "same" ? dilations[i]! * (size - 1) : 2 * (paddings?.[i] ?? 0);
    const before = Math.floor(total / 2);
    return { size, stride: strides[i]!, dilation: dilations[i]!, before, after: total - before };
  });
}
