import ndarray from "ndarray";
import type { Attributes } from "../../kernels.ts";
import type { CpuKernels, CpuView } from "./types.ts";
import { forEachRow } from "./views.ts";

/** What runs along the lines of one axis and keeps the shape. */
export const scans: Pick<CpuKernels, "cumsum" | "argsort"> = { cumsum, argsort };

/** Sums are formed in double precision from the first cell on, and each is rounded when stored; int32 wraps. */
function cumsum([x]: readonly CpuView[], out: CpuView, { axis }: Attributes<"cumsum">): void {
  forEachLine(x, out, axis, (from, stepFrom, to, stepTo) => {
    let total = 0;
    for (let n = 0; n < x.shape[axis]; n++) {
      total += x.data[from + n * stepFrom];
      out.data[to + n * stepTo] = total;
    }
  });
}

function argsort([x]: readonly CpuView[], out: CpuView, { axis, descending }: Attributes<"argsort">): void {
  const line = new Float64Array(x.shape[axis]);
  const order = new Int32Array(x.shape[axis]);
  const compare = descending
    ? (i: number, j: number) => compareValues(line[j], line[i]) || i - j
    : (i: number, j: number) => compareValues(line[i], line[j]) || i - j;
  forEachLine(x, out, axis, (from, stepFrom, to, stepTo) => {
    for (let n = 0; n < order.length; n++) {
      line[n] = x.data[from + n * stepFrom];
      order[n] = n;
    }
    order.sort(compare);
    for (let n = 0; n < order.length; n++) out.data[to + n * stepTo] = order[n];
  });
}

/** Numbers by size, NaN above ∞; zeros of both signs are equal. */
function compareValues(a: number, b: number): number {
  if (a < b) return -1;
  if (a > b) return 1;
  return Number(Number.isNaN(a)) - Number(Number.isNaN(b));
}

/** Position of a line's first cell and the distance to the next, in the input and in the output. */
type LineVisitor = (from: number, stepFrom: number, to: number, stepTo: number) => void;

function forEachLine(x: CpuView, out: CpuView, axis: number, visit: LineVisitor): void {
  if (x.shape[axis] === 0) return;
  const firsts = [x, out].map((view) => ndarray(view.data, view.shape.with(axis, 1), view.stride, view.offset));
  forEachRow(firsts, ([i, o], [stepI, stepO], length) => {
    for (let n = 0; n < length; n++) visit(i + n * stepI, x.stride[axis], o + n * stepO, out.stride[axis]);
  });
}
