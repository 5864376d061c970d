import { type Alignment, interpolationBeside } from "../autograd/functions/resize-bilinear.ts";
import { reshape } from "../autograd/ops/layout.ts";
import { matmul } from "../autograd/ops/linalg.ts";
import type { Tensor } from "../tensor/tensor.ts";

/** Rows and columns of a grid of patches. */
export type Grid = readonly [rows: number, columns: number];

/**
 * Bilinear interpolation of a grid of vectors to another size: R(h) · grid · R(w)ᵀ, rows and columns apart.
 * ViLT reads with aligned corners for each image, and by half pixels once, when it takes over the table of a ViT of
 * another size.
 *
 * @param table [gh · gw, d], row-major
 * @returns [h · w, d]
 */
export function interpolateGrid(table: Tensor, from: Grid, to: Grid, alignment: Alignment = "alignCorners"): Tensor {
  const [gh, gw] = from;
  const [h, w] = to;
  if (gh === h && gw === w) return table;
  const d = table.shape[1]!;
  const alongRows = matmul(interpolationBeside(table, h, gh, alignment), reshape(table, [gh, gw * d])); // [h, gw · d]
  const alongBoth = matmul(interpolationBeside(table, w, gw, alignment), reshape(alongRows, [h, gw, d])); // [h, w, d]
  return reshape(alongBoth, [h * w, d]);
}
