import ndarray from "ndarray";
import type { Attributes } from "../../kernels.ts";
import type { CpuKernels, CpuView } from "./types.ts";
import { broadcast, copy, forEachRow, leadingAxes } from "./views.ts";

export const linalg: Pick<CpuKernels, "matmul"> = { matmul };

/** C[…, i, j] = Σₖ A[…, i, k] B[…, k, j]; products are summed in double precision, k ascending, and rounded once. */
function matmul([a, b]: readonly CpuView[], out: CpuView, { transposeA, transposeB }: Attributes<"matmul">): void {
  const batchRank = out.dimension - 2;
  const batch = out.shape.slice(0, batchRank);
  const left = transposeA ? swapLastAxes(a) : a;
  const right = transposeB ? swapLastAxes(b) : b;
  const matrixAt = (view: CpuView, offset: number): CpuView =>
    ndarray(view.data, view.shape.slice(-2), view.stride.slice(-2), offset);
  const batches = [left, right, out].map((view) => broadcast(leadingAxes(view, view.dimension - 2), batch));
  forEachRow(batches, ([i, j, o], [stepI, stepJ, stepO], length) => {
    for (let n = 0; n < length; n++)
      multiply(matrixAt(left, i + n * stepI), matrixAt(right, j + n * stepJ), matrixAt(out, o + n * stepO));
  });
}

function swapLastAxes(view: CpuView): CpuView {
  const axes = view.shape.map((_, axis) => axis);
  return view.transpose(...axes.slice(0, -2), axes.length - 1, axes.length - 2);
}

/** [m, k] × [k, n] → [m, n], row by row of the result: each row of B is added as often as A says. */
function multiply(a: CpuView, b: CpuView, out: CpuView): void {
  const [m, k] = a.shape;
  const n = b.shape[1];
  const rows = new Float64Array(k * n);
  copy(b, ndarray<CpuView["data"]>(rows, [k, n]));
  const sums = new Float64Array(n);
  for (let i = 0; i < m; i++) {
    sums.fill(0);
    for (let p = 0; p < k; p++) {
      const factor = a.data[a.offset + i * a.stride[0] + p * a.stride[1]];
      for (let j = 0, at = p * n; j < n; j++, at++) sums[j] += factor * rows[at];
    }
    for (let j = 0; j < n; j++) out.data[out.offset + i * out.stride[0] + j * out.stride[1]] = sums[j];
  }
}
