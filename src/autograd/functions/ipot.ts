import { DTypeError, ShapeError } from "../../tensor/errors.ts";
import { sameShape } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { applyFused, defineFused } from "../fused.ts";
import { detach, noGrad } from "../graph.ts";
import { add, div, mul } from "../ops/arithmetic.ts";
import { maximum } from "../ops/extrema.ts";
import { expandDims, transpose } from "../ops/layout.ts";
import { sum } from "../ops/reduce.ts";
import { cast, equal } from "../ops/select.ts";
import { exp } from "../ops/transcendental.ts";
import { ipotInLogarithms } from "./ipot-log.ts";

export interface IpotOptions {
  /** Strength of the proximal term; smaller is sharper. */
  readonly beta?: number;
  readonly iterations?: number;
  /** `log` iterates on logarithms: slower, and right for a β so small that exp(−C/β) underflows. Default: `plain`. */
  readonly domain?: "plain" | "log";
}

/** Added to the denominator of a padded row or column, so that its scale is next to nothing (ViLT's constant). */
const PADDED = 1e4;
/** Keeps denominators from underflowing to 0. */
const FLOOR = 1e-30;

/**
 * Optimal transport plan between uniform distributions over the valid words and patches, by the inexact proximal point
 * method (Xie et al. 2020, algorithm 1, with one inner step), as ViLT uses it for word–patch alignment. No gradient
 * flows through the plan.
 *
 *   A = exp(−Cᵀ/β),  Q = A ∘ Π,  δ = 1 / (N Q σ),  σ = 1 / (M Qᵀ δ),  Π ← diag(δ) Q diag(σ)
 *
 * @param cost [B, M, N]
 * @param wordMask int32 [B, M], 1 = take part
 * @param patchMask int32 [B, N]
 * @returns the plan [B, N, M]; its sum is 1, and 0 for a sample without any word or patch
 */
export function ipot(
  cost: Tensor,
  wordMask: Tensor,
  patchMask: Tensor,
  { beta = 0.5, iterations = 50, domain = "plain" }: IpotOptions = {},
): Tensor {
  if (domain === "log") {
    ipotFused.infer([cost, wordMask, patchMask], { beta, iterations });
    return noGrad(() => ipotInLogarithms(cost, wordMask, patchMask, { beta, iterations }));
  }
  return detach(applyFused(ipotFused, [detach(cost), wordMask, patchMask], { beta, iterations }));
}

export const ipotFused = defineFused("ipot", {
  infer([cost, wordMask, patchMask]) {
    const [B, M, N] = cost!.shape as [number, number, number];
    if (cost!.rank !== 3 || !sameShape(wordMask!.shape, [B, M]) || !sameShape(patchMask!.shape, [B, N]))
      throw new ShapeError(
        "ipot",
        "cost [B, M, N] with masks [B, M] and [B, N] is needed",
        cost!,
        wordMask!,
        patchMask!,
      );
    if (wordMask!.dtype !== "int32" || patchMask!.dtype !== "int32")
      throw new DTypeError(`ipot: masks are ${wordMask!.dtype} and ${patchMask!.dtype}, not int32; cast() them`);
    return { shape: [B, N, M], dtype: cost!.dtype };
  },
  definition([cost, wordMask, patchMask], { beta, iterations }) {
    const { dtype } = cost!;
    const words = expandDims(cast(wordMask!, dtype), 1); // [B, 1, M]
    const patches = expandDims(cast(patchMask!, dtype), 2); // [B, N, 1]
    const valid = mul(patches, words); // [B, N, M]
    const numWords = sum(words, [1, 2], { keepDims: true });
    const numPatches = sum(patches, [1, 2], { keepDims: true });
    const padding = (mask: Tensor) => mul(cast(equal(mask, 0), dtype), PADDED);
    const inverse = (denominator: Tensor) => div(1, maximum(denominator, FLOOR));

    const A = mul(exp(mul(transpose(cost!), -1 / beta)), valid); // [B, N, M]
    let plan = valid;
    let sigma = mul(words, inverse(numWords)); // [B, 1, M]
    for (let i = 0; i < iterations; i++) {
      const Q = mul(A, plan);
      const delta = inverse(add(mul(numPatches, sum(mul(Q, sigma), 2, { keepDims: true })), padding(patches))); // [B, N, 1]
      sigma = inverse(add(mul(numWords, sum(mul(delta, Q), 1, { keepDims: true })), padding(words)));
      plan = mul(mul(delta, Q), sigma);
    }
    return mul(plan, valid);
  },
  vjp: "none",
});
