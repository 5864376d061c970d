import type { DType } from "../tensor/dtype.ts";
import { print } from "../tensor/print.ts";
import type { Shape } from "../tensor/shape.ts";
import { Tensor } from "../tensor/tensor.ts";
import { elu, leakyRelu, silu, softplus } from "./functions/activations.ts";
import { clamp } from "./functions/clamp.ts";
import { type GeluOptions, gelu } from "./functions/gelu.ts";
import { logSoftmax } from "./functions/log-softmax.ts";
import { logSumExp } from "./functions/log-sum-exp.ts";
import { mean } from "./functions/mean.ts";
import { type NormOptions, norm } from "./functions/norm.ts";
import { softmax } from "./functions/softmax.ts";
import { std } from "./functions/std.ts";
import { toDevice } from "./functions/to-device.ts";
import { type VarianceOptions, variance } from "./functions/variance.ts";
import { backward, type GradOptions } from "./grad.ts";
import { detach } from "./graph.ts";
import { add, div, mul, type Numeric, neg, square, sub } from "./ops/arithmetic.ts";
import { abs, argmax, argmin, max, min, relu } from "./ops/extrema.ts";
import { permute, reshape, slice, transpose } from "./ops/layout.ts";
import { type MatmulOptions, matmul } from "./ops/linalg.ts";
import { prod } from "./ops/product.ts";
import { type ReduceOptions, sum } from "./ops/reduce.ts";
import { cumsum } from "./ops/scan.ts";
import { cast } from "./ops/select.ts";
import { exp, expm1, log, log1p, pow, sigmoid, sqrt, tanh } from "./ops/transcendental.ts";

type Axes = number | readonly number[];

/** Operations as methods, for notebooks: `x.mul(y).sum()`. Library code calls the functions. */
declare module "../tensor/tensor.ts" {
  interface Tensor {
    add(other: Numeric): Tensor;
    sub(other: Numeric): Tensor;
    mul(other: Numeric): Tensor;
    div(other: Numeric): Tensor;
    pow(exponent: Numeric): Tensor;
    matmul(other: Tensor, options?: MatmulOptions): Tensor;
    neg(): Tensor;
    abs(): Tensor;
    square(): Tensor;
    sqrt(): Tensor;
    exp(): Tensor;
    expm1(): Tensor;
    log(): Tensor;
    log1p(): Tensor;
    tanh(): Tensor;
    sigmoid(): Tensor;
    relu(): Tensor;
    gelu(options?: GeluOptions): Tensor;
    silu(): Tensor;
    softplus(options?: { readonly beta?: number }): Tensor;
    elu(alpha?: number): Tensor;
    leakyRelu(slope?: number): Tensor;
    clamp(low: number, high: number): Tensor;
    softmax(axis?: number): Tensor;
    logSoftmax(axis?: number): Tensor;
    sum(axes?: Axes, options?: ReduceOptions): Tensor;
    mean(axes?: Axes, options?: ReduceOptions): Tensor;
    variance(axes?: Axes, options?: VarianceOptions): Tensor;
    std(axes?: Axes, options?: VarianceOptions): Tensor;
    norm(axes?: Axes, options?: NormOptions): Tensor;
    logSumExp(axes?: Axes, options?: ReduceOptions): Tensor;
    prod(axes?: Axes, options?: ReduceOptions): Tensor;
    cumsum(axis?: number): Tensor;
    max(axes?: Axes, options?: ReduceOptions): Tensor;
    min(axes?: Axes, options?: ReduceOptions): Tensor;
    argmax(axis?: number): Tensor;
    argmin(axis?: number): Tensor;
    reshape(shape: Shape): Tensor;
    permute(axes: readonly number[]): Tensor;
    transpose(axisA?: number, axisB?: number): Tensor;
    slice(axis: number, start: number, end?: number, step?: number): Tensor;
    cast(dtype: DType): Tensor;
    toDevice(device: string): Tensor;
    detach(): Tensor;
    backward(options?: GradOptions): void;
    /** Writes the values as numpy shows them, shape, dtype and device; wait for it only on devices that make you wait. */
    print(write?: (text: string) => void): Promise<void>;
  }
}

const methods = {
  ...{
    add,
    sub,
    mul,
    div,
    pow,
    matmul,
    neg,
    abs,
    square,
    sqrt,
    exp,
    expm1,
    log,
    log1p,
    tanh,
    sigmoid,
    relu,
    gelu,
    silu,
    softplus,
    elu,
    leakyRelu,
    clamp,
    softmax,
    logSoftmax,
  },
  ...{ sum, mean, variance, std, norm, logSumExp, prod, cumsum, max, min, argmax, argmin },
  ...{ reshape, permute, transpose, slice, cast, toDevice, detach, backward, print },
};

for (const [name, method] of Object.entries(methods) as [string, (x: Tensor, ...rest: unknown[]) => unknown][])
  Object.defineProperty(Tensor.prototype, name, {
    value(this: Tensor, ...rest: unknown[]) {
      return method(this, ...rest);
    },
    writable: true,
    configurable: true,
  });
