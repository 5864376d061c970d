import { ConfigError } from "../../tensor/errors.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { mul, square, sub } from "../ops/arithmetic.ts";
import { abs } from "../ops/extrema.ts";
import { less, where } from "../ops/select.ts";
import { checkTarget, type LossOptions, reduceLosses } from "./reduction.ts";

/** (x − t)², the squared error. @throws {ShapeError} when the shapes differ */
export function mseLoss(x: Tensor, target: Tensor, { reduction }: LossOptions = {}): Tensor {
  checkTarget("mseLoss", x, target);
  return reduceLosses("mseLoss", square(sub(x, target)), reduction);
}

/** |x − t|, the absolute error; the derivative is 0 where x = t. @throws {ShapeError} when the shapes differ */
export function l1Loss(x: Tensor, target: Tensor, { reduction }: LossOptions = {}): Tensor {
  checkTarget("l1Loss", x, target);
  return reduceLosses("l1Loss", abs(sub(x, target)), reduction);
}

/**
 * With e = x − t:  e² / (2β) where |e| < β, else |e| − β/2: squared near the target, absolute far from it (Girshick
 * 2015). Huber's loss is β times this one; with β = 0 it is `l1Loss`.
 *
 * @throws {ShapeError} when the shapes differ
 * @throws {ConfigError} when β is negative
 */
export function smoothL1Loss(
  x: Tensor,
  target: Tensor,
  { beta = 1, reduction }: LossOptions & { readonly beta?: number } = {},
): Tensor {
  checkTarget("smoothL1Loss", x, target);
  if (!(beta >= 0)) throw new ConfigError(`smoothL1Loss: beta is ${beta}, not at least 0`);
  const error = sub(x, target);
  const size = abs(error);
  if (beta === 0) return reduceLosses("smoothL1Loss", size, reduction);
  const near = mul(square(error), 0.5 / beta);
  return reduceLosses("smoothL1Loss", where(less(size, beta), near, sub(size, beta / 2)), reduction);
}
