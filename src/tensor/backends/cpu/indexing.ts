import ndarray from "ndarray";
import { ShapeError } from "../../errors.ts";
import type { CpuKernels, CpuView } from "./types.ts";
import { accumulator, broadcast, copy, forEachRow } from "./views.ts";

/**
 * All four read one shape of cells, that of the gathered values, against a table whose indexed axis is held at 0 (its
 * stride is 0 there): the index times the table's stride along that axis leads to the cell that is meant. Sums are
 * formed in double precision and rounded once.
 */
export const indexing: Pick<CpuKernels, "gather" | "scatterAdd" | "takeAlongAxis" | "putAlongAxis"> = {
  gather: ([table, indices], out) => read("gather", out, rowsOf(table, indices), perRow(indices, out.shape)),
  scatterAdd([updates, indices], out) {
    const sums = accumulator(out.shape);
    add("scatterAdd", updates, rowsOf(sums, indices), perRow(indices, updates.shape));
    copy(sums, out);
  },
  takeAlongAxis: ([x, indices], out, { axis }) => read("takeAlongAxis", out, linesOf(x, indices, axis), indices),
  putAlongAxis([updates, indices], out, { axis }) {
    const sums = accumulator(out.shape);
    add("putAlongAxis", updates, linesOf(sums, indices, axis), indices);
    copy(sums, out);
  },
};

/** The first row of `cells` for every index in question, with what an index is worth in memory and its upper bound. */
interface Indexed {
  readonly cells: CpuView;
  readonly stride: number;
  readonly count: number;
}

/** Axis 0 of the table is indexed and replaced by the axes of the indices. */
function rowsOf(table: CpuView, indices: CpuView): Indexed {
  const held = indices.shape.map(() => 0);
  return {
    cells: ndarray(
      table.data,
      [...indices.shape, ...table.shape.slice(1)],
      [...held, ...table.stride.slice(1)],
      table.offset,
    ),
    stride: table.stride[0],
    count: table.shape[0],
  };
}

/** Axis `axis` is indexed; along the others index and cell go together. */
function linesOf(x: CpuView, indices: CpuView, axis: number): Indexed {
  const strides = x.stride.map((stride, other) => (other === axis ? 0 : stride));
  return {
    cells: ndarray(x.data, indices.shape, strides, x.offset),
    stride: x.stride[axis],
    count: x.shape[axis],
  };
}

/** An index for a whole row of the table serves each of its cells. */
function perRow(indices: CpuView, shape: readonly number[]): CpuView {
  const tail = shape.slice(indices.dimension).map(() => 1);
  return broadcast(
    ndarray(indices.data, [...indices.shape, ...tail], [...indices.stride, ...tail], indices.offset),
    shape,
  );
}

function read(kernel: string, out: CpuView, { cells, stride, count }: Indexed, indices: CpuView): void {
  forEachRow([out, cells, indices], ([o, i, k], [stepO, stepI, stepK], length) => {
    for (let n = 0; n < length; n++) {
      const index = checkedIndex(kernel, indices.data[k + n * stepK], count);
      out.data[o + n * stepO] = cells.data[i + n * stepI + index * stride];
    }
  });
}

function add(kernel: string, updates: CpuView, { cells, stride, count }: Indexed, indices: CpuView): void {
  forEachRow([updates, cells, indices], ([u, o, k], [stepU, stepO, stepK], length) => {
    for (let n = 0; n < length; n++) {
      const index = checkedIndex(kernel, indices.data[k + n * stepK], count);
      cells.data[o + n * stepO + index * stride] += updates.data[u + n * stepU];
    }
  });
}

function checkedIndex(kernel: string, index: number, count: number): number {
  if (index >= 0 && index < count) return index;
  throw new ShapeError(kernel, `index ${index} is outside [0, ${count})`);
}
