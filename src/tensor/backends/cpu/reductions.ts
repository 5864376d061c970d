import ndarray from "ndarray";
import type { TypedArray } from "../../dtype.ts";
import type { Attributes } from "../../kernels.ts";
import { reducedShape } from "../../shape.ts";
import { multiplier } from "./elementwise.ts";
import type { CpuKernels, CpuView } from "./types.ts";
import { accumulator, broadcast, copy, forEachRow, reshaped } from "./views.ts";

/** Terms are taken in row-major order of the input, in double precision, and the result is rounded once. */
export const reductions: Pick<CpuKernels, "sum" | "max" | "min" | "prod" | "argmax"> = {
  sum: ([x], out, { axes }) => reduce(x, out, axes, 0, (total, value) => total + value),
  prod: ([x], out, { axes }) => reduce(x, out, axes, 1, multiplier(out)),
  /** NaN wins, as in `maximum` and `minimum`. */
  max: ([x], out, { axes }) => reduce(x, out, axes, -Infinity, Math.max),
  min: ([x], out, { axes }) => reduce(x, out, axes, Infinity, Math.min),
  argmax,
};

function reduce(
  x: CpuView,
  out: CpuView,
  axes: readonly number[],
  initial: number,
  combine: (result: number, value: number) => number,
): void {
  const kept = reducedShape(x.shape, axes, true);
  const results = accumulator(kept, initial);
  const source = x.data;
  const cells = results.data;
  forEachRow([x, broadcast(results, x.shape)], ([i, o], [stepI, stepO], length) => {
    for (let n = 0; n < length; n++) cells[o + n * stepO] = combine(cells[o + n * stepO], source[i + n * stepI]);
  });
  copy(results, reshaped(out, kept));
}

/** The first NaN counts as the maximum; without one, the first of the largest. */
function argmax([x]: readonly CpuView[], out: CpuView, { axis }: Attributes<"argmax">): void {
  const kept = reducedShape(x.shape, [axis], true);
  const firsts = ndarray(x.data, kept, x.stride, x.offset);
  const stride = x.stride[axis];
  forEachRow([firsts, reshaped(out, kept)], ([i, o], [stepI, stepO], length) => {
    for (let n = 0; n < length; n++)
      out.data[o + n * stepO] = firstMaximum(x.data, i + n * stepI, stride, x.shape[axis]);
  });
}

function firstMaximum(values: TypedArray, start: number, stride: number, count: number): number {
  let best = 0;
  for (let n = 0; n < count; n++) {
    const value = values[start + n * stride];
    if (Number.isNaN(value)) return n;
    if (value > values[start + best * stride]) best = n;
  }
  return best;
}
