import "../../src/autograd/fluent.ts";
import { ones, zeros } from "../../src/tensor/create.ts";
import type { Shape } from "../../src/tensor/shape.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { exact } from "../support.ts";

/** A wrong call, and what the error says: all of it, or a pattern where numbers vary. */
export type Row = readonly [call: () => unknown, message: string | RegExp];

/** Zeros in float32 on the default device. */
export const f32 = (...shape: number[]): Tensor => zeros(shape);
/** Zeros in int32. */
export const i32 = (...shape: number[]): Tensor => zeros(shape, { dtype: "int32" });
/** Ones in float64, on `cpu`. */
export const f64 = (...shape: number[]): Tensor => ones(shape, exact);
/** A tensor that has a shape and no values. */
export const shaped = (shape: Shape): Tensor => zeros(shape, { device: "meta" });
