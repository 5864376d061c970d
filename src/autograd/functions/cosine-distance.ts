import type { Tensor } from "../../tensor/tensor.ts";
import { div, square, sub } from "../ops/arithmetic.ts";
import { maximum } from "../ops/extrema.ts";
import { matmul } from "../ops/linalg.ts";
import { sum } from "../ops/reduce.ts";
import { greater, where } from "../ops/select.ts";
import { sqrt } from "../ops/transcendental.ts";

/** Norms below this are taken as this (UNITER's and ViLT's constant). */
const MIN_NORM = 1e-5;

/**
 * c(w, v) = 1 − w·v / (‖w‖ ‖v‖) of all pairs.
 *
 * @param words [B, M, d]
 * @param patches [B, N, d]
 * @returns [B, M, N]
 */
export function cosineDistance(words: Tensor, patches: Tensor): Tensor {
  return sub(1, matmul(normalize(words), normalize(patches), { transposeB: true }));
}

function normalize(x: Tensor): Tensor {
  const squared = sum(square(x), -1, { keepDims: true });
  // √ has an infinite derivative at 0: keep it away from vectors that the floor replaces anyway.
  const norm = sqrt(where(greater(squared, MIN_NORM ** 2), squared, MIN_NORM ** 2));
  return div(x, maximum(norm, MIN_NORM));
}
