import { broadcastStrides } from "../../../shape.ts";
import { CELL, kernelSource, quotient, sumOf, walk } from "../source.ts";
import type { GpuKernel } from "./types.ts";

export const linalg = {
  /** C[…, i, j] = Σₖ A[…, i, k] B[…, k, j]. */
  matmul: (...[launch, [a, b], out, { transposeA, transposeB }]: Parameters<GpuKernel<"matmul">>) => {
    const [p, q] = a!.shape.slice(-2) as [number, number];
    const n = out.shape.at(-1)!;
    const k = transposeA ? p : q;
    const batch = out.shape.slice(0, -2);
    const [rowA, innerA] = transposeA ? [1, q] : [q, 1];
    const [innerB, columnB] = transposeB ? [1, k] : [n, 1];
    const batchOf = (shape: readonly number[], cells: number) =>
      broadcastStrides(shape.slice(0, -2), batch).map((stride) => stride * cells);
    const { code, offsets } = walk(out.shape, [
      [...batchOf(a!.shape, p * q), rowA, 0],
      [...batchOf(b!.shape, k * n), 0, columnB],
    ]);
    const body = `${code}const left = ${offsets[0]};
const right = ${offsets[1]};
${sumOf("total", k, (i) => `a[left + ${i} * ${innerA}] * b[right + ${i} * ${innerB}]`)}
return total;`;
    return launch(kernelSource(["a", "b"], body), [a!.cells, b!.cells], out.size);
  },
  /** x Wᵀ + b + residual. */
  linear: (...[launch, inputs, out, { hasBias, hasResidual }]: Parameters<GpuKernel<"linear">>) => {
    const [n, k] = inputs[1]!.shape as [number, number];
    const names = ["x", "weight", ...(hasBias ? ["bias"] : []), ...(hasResidual ? ["residual"] : [])];
    const added = [...(hasBias ? ["bias[column]"] : []), ...(hasResidual ? [`residual[${CELL}]`] : [])];
    const body = `const row = ${quotient(CELL, n)};
const column = ${CELL} - row * ${n};
${sumOf("total", k, (i) => `x[row * ${k} + ${i}] * weight[column * ${k} + ${i}]`)}
return ${["total", ...added].join(" + ")};`;
    return launch(
      kernelSource(names, body),
      inputs.map(({ cells }) => cells),
      out.size,
    );
  },
};
