import type { Tensor } from "../../tensor/tensor.ts";
import { sub } from "../ops/arithmetic.ts";
import { matmul } from "../ops/linalg.ts";
import { normalize } from "./normalize.ts";

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
  return sub(1, matmul(normalize(words, -1, MIN_NORM), normalize(patches, -1, MIN_NORM), { transposeB: true }));
}
