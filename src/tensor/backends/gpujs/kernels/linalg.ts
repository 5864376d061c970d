import { broadcastStrides } from "../../../shape.ts";
import { CELL, kernelSource, quotient, sumOf, sumsOf, walk } from "../source.ts";
import type { GpuKernel, GpuOperand, GpuResult, Launch } from "./types.ts";

/**
 * Products of matrices. Where a thread can answer with four cells, it computes four of a row at once: it then reads five
 * numbers for four products instead of eight.
 */
export const linalg = {
  /** C[…, i, j] = Σₖ A[…, i, k] B[…, k, j]. */
  matmul: (...[launch, inputs, out, flags]: Parameters<GpuKernel<"matmul">>) =>
    matrixProduct(launch, inputs, out, flags, (sum) => sum),
  /** The same and the addend. */
  matmulAdd: (...[launch, inputs, out, flags]: Parameters<GpuKernel<"matmulAdd">>) =>
    matrixProduct(launch, inputs, out, flags, (sum, at) => `${sum} + besides[${at}]`),
  /** The same times the factor. */
  matmulMul: (...[launch, inputs, out, flags]: Parameters<GpuKernel<"matmulMul">>) =>
    matrixProduct(launch, inputs, out, flags, (sum, at) => `(${sum}) * besides[${at}]`),
  /** x Wᵀ + b + residual. */
  linear: (...[launch, inputs, out, { hasBias, hasResidual }]: Parameters<GpuKernel<"linear">>) =>
    transform(launch, inputs, out, hasBias, (sum, at) => (hasResidual ? `${sum} + residual[${at}]` : sum)),
  /** The same through GELU. */
  linearGelu: (...[launch, inputs, out, { hasBias }]: Parameters<GpuKernel<"linearGelu">>) =>
    transform(launch, inputs, out, hasBias, (sum) => `timesNormalCdf(${sum})`),
};

/** What becomes of A B in each cell. */
function matrixProduct(
  launch: Launch,
  inputs: readonly GpuOperand[],
  out: GpuResult,
  { transposeA, transposeB }: { readonly transposeA: boolean; readonly transposeB: boolean },
  then: (sum: string, cell: string) => string,
) {
  const [a, b] = inputs as readonly [GpuOperand, GpuOperand];
  const [p, q] = a.shape.slice(-2) as [number, number];
  const n = out.shape.at(-1)!;
  const k = transposeA ? p : q;
  const batch = out.shape.slice(0, -2);
  const [rowA, innerA] = transposeA ? [1, q] : [q, 1];
  const [innerB, columnB] = transposeB ? [1, k] : [n, 1];
  const batchOf = (shape: readonly number[], cells: number) =>
    broadcastStrides(shape.slice(0, -2), batch).map((stride) => stride * cells);
  const views = [
    [...batchOf(a.shape, p * q), rowA, 0],
    [...batchOf(b.shape, k * n), 0, columnB],
  ];
  return products(launch, inputs, out, {
    k,
    starts: (cell) => {
      const { code, offsets } = walk(out.shape, views, cell);
      return `${code}const left = ${offsets[0]};\nconst right = ${offsets[1]};`;
    },
    names: ["a", "b", "besides"].slice(0, inputs.length),
    factor: (i) => `a[left + ${i} * ${innerA}]`,
    other: (i, column) => `b[right + ${i} * ${innerB} + ${column * columnB}]`,
    result: (total, cell, column) => then(total, `${cell} + ${column}`),
  });
}

/** What becomes of x Wᵀ + b in each cell. */
function transform(
  launch: Launch,
  inputs: readonly GpuOperand[],
  out: GpuResult,
  hasBias: boolean,
  then: (sum: string, cell: string) => string,
) {
  const [n, k] = inputs[1]!.shape as [number, number];
  return products(launch, inputs, out, {
    k,
    starts: (cell) => `const row = ${quotient(cell, n)};\nconst column = ${cell} - row * ${n};`,
    names: ["x", "weight", ...(hasBias ? ["bias", "residual"] : ["residual"])].slice(0, inputs.length),
    factor: (i) => `x[row * ${k} + ${i}]`,
    other: (i, column) => `weight[(column + ${column}) * ${k} + ${i}]`,
    result: (total, cell, column) =>
      then(hasBias ? `${total} + bias[column + ${column}]` : total, `${cell} + ${column}`),
  });
}

/** Cells that are sums of k products, as source. */
interface Product {
  readonly k: number;
  readonly names: readonly string[];
  /** Statements that find where the operands of a cell begin. */
  readonly starts: (cell: string) => string;
  /** What all cells of a row share, and what the cell so many columns further has of its own. */
  readonly factor: (i: string) => string;
  readonly other: (i: string, column: number) => string;
  readonly result: (total: string, cell: string, column: number) => string;
}

function products(launch: Launch, inputs: readonly GpuOperand[], out: GpuResult, product: Product) {
  const { k, names, starts, factor, other, result } = product;
  const cells = inputs.map((input) => input.cells);
  if (!launch.four || out.shape.at(-1)! % 4 !== 0) {
    const sum = sumOf("total", k, (i) => `${factor(i)} * ${other(i, 0)}`);
    return launch(kernelSource(names, `${starts(CELL)}\n${sum}\nreturn ${result("total", CELL, 0)};`), cells, out.size);
  }
  const totals = ["first", "second", "third", "fourth"];
  const sums = sumsOf(totals, k, (i) => [
    `const shared = ${factor(i)};`,
    ...totals.map((_, column) => `shared * ${other(i, column)}`),
  ]);
  const results = totals.map((total, column) => result(total, "cell", column));
  const body = `const cell = 4 * ${CELL};\n${starts("cell")}\n${sums}\nreturn [${results.join(", ")}];`;
  return launch.four(kernelSource(names, body), cells, out.size);
}
