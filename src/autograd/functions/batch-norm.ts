import { ShapeError } from "../../tensor/errors.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { detach } from "../graph.ts";
import { add, div, mul, sub } from "../ops/arithmetic.ts";
import { count } from "../ops/reduce.ts";
import { sqrt } from "../ops/transcendental.ts";
import { type ChannelParameters, perChannel, scaleChannels } from "./channels.ts";
import { mean } from "./mean.ts";
import { variance } from "./variance.ts";

/** Mean and variance of each channel, both [C]. */
export interface ChannelStatistics {
  readonly mean: Tensor;
  readonly variance: Tensor;
}

/** Those of one batch: the variance is divided by n, the number of cells of a channel. */
export interface BatchStatistics extends ChannelStatistics {
  readonly count: number;
}

export interface BatchNormOptions extends ChannelParameters {
  /** Use these statistics instead of the batch's: evaluation. */
  readonly running?: ChannelStatistics;
  /** Default: 10⁻⁵, as in PyTorch. */
  readonly eps?: number;
}

/**
 * y = (x − μ) / √(σ² + ε) ∘ w + b, with mean and variance of each channel over all samples and positions of the batch
 * (Ioffe and Szegedy 2015), or with given ones. It keeps no state: `runningStatistics` says what to remember.
 * With the batch's own statistics gradients flow through μ and σ² too.
 *
 * @param x [B, C, ...]
 * @returns y of x's shape, and the statistics of the batch; null where running ones were given
 * @throws {ShapeError} when the parameters are not [C], or a channel has fewer than two cells to take a variance of
 */
export function batchNorm(
  x: Tensor,
  options: BatchNormOptions & { readonly running?: undefined },
): { out: Tensor; statistics: BatchStatistics };
export function batchNorm(x: Tensor, options?: BatchNormOptions): { out: Tensor; statistics: BatchStatistics | null };
export function batchNorm(
  x: Tensor,
  { running, eps = 1e-5, ...parameters }: BatchNormOptions = {},
): { out: Tensor; statistics: BatchStatistics | null } {
  if (x.rank < 2) throw new ShapeError("batchNorm", "channels on axis 1 are needed", x);
  const statistics = running ? null : batchStatistics(x);
  const used = running ?? statistics!;
  const centred = sub(x, perChannel("batchNorm", "mean", used.mean, x));
  const deviation = sqrt(add(perChannel("batchNorm", "variance", used.variance, x), eps));
  return { out: scaleChannels("batchNorm", div(centred, deviation), parameters), statistics };
}

function batchStatistics(x: Tensor): BatchStatistics {
  const axes = x.shape.flatMap((_, axis) => (axis === 1 ? [] : [axis]));
  const n = count(x, axes);
  if (n < 2)
    throw new ShapeError("batchNorm", `a channel of ${n} cells has no variance`, x, "running statistics have one");
  return { mean: mean(x, axes), variance: variance(x, axes), count: n };
}

/**
 * (1 − m) · before + m · batch for the mean and the variance; the batch's variance is taken times n / (n − 1), the
 * unbiased estimate, as in PyTorch. No gradient flows. Begin with zeros and ones, and `keep()` both where the step is
 * scoped.
 *
 * @param momentum m, the share of the batch. Default: 0.1, as in PyTorch
 */
export function runningStatistics(
  before: ChannelStatistics,
  batch: BatchStatistics,
  momentum = 0.1,
): ChannelStatistics {
  const blend = (a: Tensor, b: Tensor, scale: number) =>
    add(mul(detach(a), 1 - momentum), mul(detach(b), momentum * scale));
  return {
    mean: blend(before.mean, batch.mean, 1),
    variance: blend(before.variance, batch.variance, batch.count / (batch.count - 1)),
  };
}
