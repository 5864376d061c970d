import { ShapeError } from "../../tensor/errors.ts";
import { sizeOf } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { add, div, sub } from "../ops/arithmetic.ts";
import { reshape } from "../ops/layout.ts";
import { sqrt } from "../ops/transcendental.ts";
import { type ChannelParameters, scaleChannels } from "./channels.ts";
import { mean } from "./mean.ts";
import { variance } from "./variance.ts";

/**
 * y = (x − μ) / √(σ² + ε) ∘ w + b, with mean and variance (divided by n) over each group of channels of each sample
 * (Wu and He 2018). One group is layer normalisation over all but the batch; as many as channels, instance
 * normalisation. A group of one cell gives b.
 *
 * @param x [B, C, ...]
 * @param numGroups divides C
 * @param eps default: 10⁻⁵, as in PyTorch
 * @throws {ShapeError} when the channels do not divide, or the parameters are not [C]
 */
export function groupNorm(
  x: Tensor,
  numGroups: number,
  { eps = 1e-5, ...parameters }: ChannelParameters & { readonly eps?: number } = {},
): Tensor {
  if (x.rank < 2) throw new ShapeError("groupNorm", "channels on axis 1 are needed", x);
  const [B, C] = x.shape as [number, number];
  if (!Number.isInteger(numGroups) || numGroups < 1 || C % numGroups !== 0)
    throw new ShapeError("groupNorm", `${C} channels do not divide into ${numGroups} groups`, x);
  const groups = reshape(x, [B, numGroups, (C / numGroups) * sizeOf(x.shape.slice(2))]);
  const deviation = sqrt(add(variance(groups, -1, { keepDims: true }), eps));
  const standard = div(sub(groups, mean(groups, -1, { keepDims: true })), deviation);
  return scaleChannels("groupNorm", reshape(standard, x.shape), parameters);
}
