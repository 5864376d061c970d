import type { Backend } from "../../tensor/backend.ts";
import { fromArray } from "../../tensor/create.ts";
import { isFloat } from "../../tensor/dtype.ts";
import { DTypeError, ShapeError } from "../../tensor/errors.ts";
import { sizeOf } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { reshape } from "../ops/layout.ts";
import { matmul } from "../ops/linalg.ts";

/**
 * Where output cell i of n reads an axis of g cells: "alignCorners" at i (g − 1) / (n − 1), so that the first and the
 * last cells meet, and "halfPixel" at (i + ½) g / n − ½, so that the edges of the outer cells do.
 */
export type Alignment = "alignCorners" | "halfPixel";

function sourceOf(i: number, n: number, g: number, alignment: Alignment): number {
  if (alignment === "halfPixel") return Math.max(0, ((i + 0.5) * g) / n - 0.5);
  return n === 1 ? 0 : (i * (g - 1)) / (n - 1);
}

/** Linear interpolation of g points at n places as a matrix [n, g], with at most two weights a row. */
function interpolationMatrix(n: number, g: number, alignment: Alignment): Float64Array {
  const matrix = new Float64Array(n * g);
  for (let i = 0; i < n; i++) {
    const source = sourceOf(i, n, g, alignment);
    const low = Math.min(Math.floor(source), g - 1);
    const high = Math.min(low + 1, g - 1);
    const share = source - low;
    matrix[i * g + low]! += 1 - share;
    matrix[i * g + high]! += share;
  }
  return matrix;
}

const matrices = new WeakMap<Backend, Map<string, Tensor>>();
const MAX_MATRICES = 256;

/** The matrix as a constant beside `like`; kept, since the same few sizes recur in every step. */
export function interpolationBeside(like: Tensor, n: number, g: number, alignment: Alignment): Tensor {
  const { backend, dtype, device } = like;
  const renew = (matrices.get(backend)?.size ?? MAX_MATRICES) >= MAX_MATRICES;
  if (renew) matrices.set(backend, new Map());
  const known = matrices.get(backend)!;
  const key = `${dtype} ${n} ${g} ${alignment}`;
  let matrix = known.get(key);
  if (!matrix) {
    matrix = fromArray(interpolationMatrix(n, g, alignment), [n, g], { dtype, device }).keep();
    known.set(key, matrix);
  }
  return matrix;
}

/**
 * Bilinear interpolation of images to another size, rows and columns apart: R(h) X R(w)ᵀ with the interpolation
 * matrices R. Pull-back: X̄ = R(h)ᵀ Ȳ R(w).
 *
 * A smaller size reads the two nearest cells and skips others, as PyTorch's `interpolate` without `antialias` does.
 *
 * @param x [..., H, W], of floats
 * @param size [h, w]
 * @param alignCorners whether the corners' centres meet, else their edges. Default: false, as in PyTorch
 * @returns [..., h, w]
 * @throws {ShapeError} when x has fewer than two axes, an image is empty, or a length is not a whole number of at least 1
 */
export function resizeBilinear(
  x: Tensor,
  size: readonly [height: number, width: number],
  { alignCorners = false }: { readonly alignCorners?: boolean } = {},
): Tensor {
  const [h, w] = size;
  if (x.rank < 2) throw new ShapeError("resizeBilinear", "images [..., H, W] are needed", x);
  const [H, W] = x.shape.slice(-2) as [number, number];
  if (!isFloat(x.dtype)) throw new DTypeError(`resizeBilinear: an ${x.dtype} operand; cast() it to float32 first`);
  if (H === 0 || W === 0) throw new ShapeError("resizeBilinear", "an empty image has no cells to read", x);
  if (![h, w].every((n) => Number.isInteger(n) && n >= 1))
    throw new ShapeError("resizeBilinear", `the size [${h}, ${w}] is not two whole numbers of at least 1`, x);
  const alignment = alignCorners ? "alignCorners" : "halfPixel";
  const lead = x.shape.slice(0, -2);
  const rows = reshape(x, [sizeOf(lead) * H, W]);
  const alongColumns = matmul(rows, interpolationBeside(x, w, W, alignment), { transposeB: true }); // [... · H, w]
  return matmul(interpolationBeside(x, h, H, alignment), reshape(alongColumns, [...lead, H, w])); // [..., h, w]
}
