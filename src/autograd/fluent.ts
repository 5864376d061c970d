import type { DType } from "../tensor/dtype.ts";
import type { Shape } from "../tensor/shape.ts";
import { Tensor } from "../tensor/tensor.ts";
import { gelu } from "./functions/gelu.ts";
import { logSoftmax } from "./functions/log-softmax.ts";
import { mean } from "./functions/mean.ts";
import { softmax } from "./functions/softmax.ts";
import { variance } from "./functions/variance.ts";
import { backward, type GradOptions } from "./grad.ts";
import { detach } from "./graph.ts";
import { add, div, mul, type Numeric, neg, square, sub } from "./ops/arithmetic.ts";
import { abs, argmax, max, min, relu } from "./ops/extrema.ts";
import { permute, reshape, slice, transpose } from "./ops/layout.ts";
import { type MatmulOptions, matmul } from "./ops/linalg.ts";
import { type ReduceOptions, sum } from "./ops/reduce.ts";
import { cast } from "./ops/select.ts";
import { exp, log, pow, sigmoid, sqrt, tanh } from "./ops/transcendental.ts";

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
    log(): Tensor;
    tanh(): Tensor;
    sigmoid(): Tensor;
    relu(): Tensor;
    gelu(): Tensor;
    softmax(axis?: number): Tensor;
    logSoftmax(axis?: number): Tensor;
    sum(axes?: Axes, options?: ReduceOptions): Tensor;
    mean(axes?: Axes, options?: ReduceOptions): Tensor;
    variance(axes?: Axes, options?: ReduceOptions): Tensor;
    max(axes?: Axes, options?: ReduceOptions): Tensor;
    min(axes?: Axes, options?: ReduceOptions): Tensor;
    argmax(axis?: number): Tensor;
    reshape(shape: Shape): Tensor;
    permute(axes: readonly number[]): Tensor;
    transpose(axisA?: number, axisB?: number): Tensor;
    slice(axis: number, start: number, end?: number, step?: number): Tensor;
    cast(dtype: DType): Tensor;
    detach(): Tensor;
    backward(options?: GradOptions): void;
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
    log,
    tanh,
    sigmoid,
    relu,
    gelu,
    softmax,
    logSoftmax,
  },
  ...{ sum, mean, variance, max, min, argmax, reshape, permute, transpose, slice, cast, detach, backward },
};

for (const [name, method] of Object.entries(methods) as [string, (x: Tensor, ...rest: unknown[]) => unknown][])
  Object.defineProperty(Tensor.prototype, name, {
    value(this: Tensor, ...rest: unknown[]) {
      return method(this, ...rest);
    },
    writable: true,
    configurable: true,
  });
