import { cosineDistance } from "../../autograd/functions/cosine-distance.ts";
import { type IpotOptions, ipot } from "../../autograd/functions/ipot.ts";
import { layerNorm } from "../../autograd/functions/layer-norm.ts";
import { div, mul, sub } from "../../autograd/ops/arithmetic.ts";
import { abs, max, maximum } from "../../autograd/ops/extrema.ts";
import { slice, transpose } from "../../autograd/ops/layout.ts";
import { sum } from "../../autograd/ops/reduce.ts";
import { cast } from "../../autograd/ops/select.ts";
import { fromArray, ones, zeros } from "../../tensor/create.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import type { WordPatchAlignmentConfig } from "../config.ts";

/** What takes part in the transport, and what does not. */
export interface AlignmentMasks {
  /** int32 [B, T]: words without [CLS], [SEP] and padding. */
  readonly words: Tensor;
  /** int32 [B, 1 + P]: patches without the image's class token and padding. */
  readonly patches: Tensor;
}

/** Masks of words [B, T] and patches [B, 1 + P] from those of tokens [B, T] and patches [B, P]. */
export function alignmentMasks(
  textMask: Int32Array,
  patchMask: Int32Array,
  batchSize: number,
): { words: Int32Array; patches: Int32Array } {
  const [T, P] = [textMask.length / batchSize, patchMask.length / batchSize];
  const words = Int32Array.from(textMask);
  const patches = new Int32Array(batchSize * (1 + P));
  for (let b = 0; b < batchSize; b++) {
    const length = textMask.subarray(b * T, (b + 1) * T).reduce((n, real) => n + real, 0);
    words[b * T] = 0;
    if (length > 0) words[b * T + length - 1] = 0;
    patches.set(patchMask.subarray(b * P, (b + 1) * P), b * (1 + P) + 1);
  }
  return { words, patches };
}

export interface Alignment {
  /** 1 − cosine of every pair, [B, T, 1 + P]; what stands in excluded pairs does not count. */
  readonly cost: Tensor;
  /** Π, [B, 1 + P, T]; no gradient. */
  readonly plan: Tensor;
  /** D = Σᵢⱼ Cᵢⱼ Πⱼᵢ of each sample, [B]; 0 without words. */
  readonly distances: Tensor;
}

/** How the plan is found. */
export type TransportSettings = Pick<WordPatchAlignmentConfig, "beta" | "iterations"> & Pick<IpotOptions, "domain">;

/**
 * Optimal transport between the words and the patches of each sample:
 *
 *   D(μ, ν) = min_{Π ∈ Π(a, b)} Σᵢ Σⱼ Πᵢⱼ c(wᵢ, vⱼ),   c(w, v) = 1 − w·v / (‖w‖ ‖v‖),   a and b uniform
 *
 * (Chen et al. 2020, UNITER, §3.3.) The plan is a constant, so D̄ flows through the cosines only: C̄ = D̄ Πᵀ.
 *
 * @param text [B, T, d]
 * @param image [B, 1 + P, d]
 */
export function align(
  text: Tensor,
  image: Tensor,
  { words, patches }: AlignmentMasks,
  { beta, iterations, domain }: TransportSettings,
): Alignment {
  const cost = cosineDistance(text, image);
  const plan = ipot(cost, words, patches, { beta, iterations, ...(domain && { domain }) });
  return { cost, plan, distances: sum(mul(cost, transpose(plan)), [1, 2]) };
}

/**
 * How far a plan is from what it should be: the largest |Σ over patches − 1/M| of a sample's M words, and the largest
 * |Σ over words − 1/N| of its N patches, both [B]. Few iterations and a large β leave the words' sums inexact.
 *
 * @param plan [B, N, M]
 */
export function marginalErrors(plan: Tensor, { words, patches }: AlignmentMasks): { words: Tensor; patches: Tensor } {
  const error = (mask: Tensor, axis: number) => {
    const taking = cast(mask, plan.dtype); // [B, M] or [B, N]
    const share = div(taking, maximum(sum(taking, 1, { keepDims: true }), 1));
    return max(abs(sub(sum(plan, axis), share)), 1);
  };
  return { words: error(words, 1), patches: error(patches, 2) };
}

/**
 * (Σ D of matching pairs − Σ D of mismatched pairs) / B: matching pairs are pulled together, the others pushed apart,
 * so the loss may be negative.
 *
 * @param labels [B], 1 = match
 */
export function signedMean(distances: Tensor, labels: Int32Array): Tensor {
  const { dtype, device } = distances;
  const signs = Float64Array.from(labels, (label) => (label === 1 ? 1 : -1) / labels.length);
  return sum(mul(distances, fromArray(signs, [signs.length], { dtype, device })));
}

/** Any small number: the cosine does not see the scale of a vector. */
const EPS = 1e-5;

/** Text and image tokens of a joint sequence [B, N, d]. */
export function splitModalities(joint: Tensor, textLength: number): { text: Tensor; image: Tensor } {
  return { text: slice(joint, 1, 0, textLength), image: slice(joint, 1, textLength) };
}

/** Each token with mean 0 and variance 1, without weights: what alignment compares at the embedding layer. */
export function standardizeTokens(joint: Tensor): Tensor {
  const { dtype, device, shape } = joint;
  const width = [shape.at(-1)!];
  return layerNorm(joint, ones(width, { dtype, device }), zeros(width, { dtype, device }), EPS);
}
