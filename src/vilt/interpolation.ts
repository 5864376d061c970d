import { reshape } from "../autograd/ops/layout.ts";
import { matmul } from "../autograd/ops/linalg.ts";
import type { Backend } from "../tensor/backend.ts";
import { fromArray } from "../tensor/create.ts";
import type { Tensor } from "../tensor/tensor.ts";

/** Rows and columns of a grid of patches. */
export type Grid = readonly [rows: number, columns: number];

/**
 * Where output cells read: "alignCorners" at i (g − 1) / (n − 1), as ViLT does for each image, and "halfPixel" at
 * (i + ½) g / n − ½, as it does once when it takes over the table of a ViT of another size.
 */
export type Alignment = "alignCorners" | "halfPixel";

function sourceOf(i: number, n: number, g: number, alignment: Alignment): number {
  if (alignment === "halfPixel") return Math.max(0, ((i + 0.5) * g) / n - 0.5);
  return n === 1 ? 0 : (i * (g - 1)) / (n - 1);
}

/** Linear interpolation of g points at n places as a matrix [n, g], with at most two weights a row. */
export function interpolationMatrix(n: number, g: number, alignment: Alignment = "alignCorners"): Float64Array {
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

/** The matrix as a constant beside `like`; kept, since the same few sizes recur in every step. */
function matrixBeside({ backend, dtype, device }: Tensor, n: number, g: number, alignment: Alignment): Tensor {
  const known = matrices.get(backend) ?? new Map<string, Tensor>();
  matrices.set(backend, known);
  const key = `${dtype} ${n} ${g} ${alignment}`;
  let matrix = known.get(key);
  if (!matrix) {
    matrix = fromArray(interpolationMatrix(n, g, alignment), [n, g], { dtype, device }).keep();
    known.set(key, matrix);
  }
  return matrix;
}

/**
 * Bilinear interpolation of a grid of vectors to another size: R(h) · grid · R(w)ᵀ, rows and columns apart.
 *
 * @param table [gh · gw, d], row-major
 * @returns [h · w, d]
 */
export function interpolateGrid(table: Tensor, from: Grid, to: Grid, alignment: Alignment = "alignCorners"): Tensor {
  const [gh, gw] = from;
  const [h, w] = to;
  if (gh === h && gw === w) return table;
  const d = table.shape[1]!;
  const alongRows = matmul(matrixBeside(table, h, gh, alignment), reshape(table, [gh, gw * d])); // [h, gw · d]
  const alongBoth = matmul(matrixBeside(table, w, gw, alignment), reshape(alongRows, [h, gw, d])); // [h, w, d]
  return reshape(alongBoth, [h * w, d]);
}
