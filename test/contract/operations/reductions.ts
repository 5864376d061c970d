import fc from "fast-check";
import * as v from "../../../src/browser.ts";
import type { Tensor } from "../../../src/tensor/tensor.ts";
import { apart, axisOf, call, floats, full, maybe, type Row, reduction, shapes } from "./cases.ts";

const notFlat = fc.array(fc.integer({ min: 2, max: 4 }), { minLength: 1, maxLength: 3 });

const corrections = fc.record({ correction: fc.constantFrom(0, 1) });

/** No axis at all means one value at a time, which does not spread. */
const spread = (f: typeof v.variance) => (x: Tensor, axes: number | number[] | undefined, options: v.VarianceOptions) =>
  f(x, Array.isArray(axes) && axes.length === 0 ? undefined : axes, options);

export const reductions: Readonly<Record<string, Row>> = {
  sum: reduction(v.sum),
  mean: reduction(v.mean, { of: full() }),
  variance: reduction(spread(v.variance), { of: notFlat, options: corrections }),
  std: reduction(spread(v.std), { draw: apart, of: notFlat, options: corrections }),
  norm: reduction(v.norm, {
    draw: apart,
    of: full(),
    options: fc.record({ p: fc.constantFrom(1, 2, 3, 1.5, Infinity) }),
  }),
  sumOfSquares: {
    calls: call(
      fc.array(
        shapes().chain((shape) => floats(shape)),
        { minLength: 1, maxLength: 3 },
      ),
      (...all) => v.sumOfSquares(all),
    ),
  },
  prod: reduction(v.prod, { tolerance: { relative: 1e-5, absolute: 1e-3 } }),
  max: reduction(v.max, { draw: apart, of: full() }),
  min: reduction(v.min, { draw: apart, of: full() }),
  logSumExp: reduction(v.logSumExp, { of: full() }),
  cumsum: alongAxis((x, axis) => v.cumsum(x, axis)),
  argmax: alongAxis((x, axis) => v.argmax(x, axis)),
  argmin: alongAxis((x, axis) => v.argmin(x, axis)),
  argsort: {
    calls: fc
      .tuple(full(1), maybe)
      .chain(([shape, descending]) =>
        axisOf(shape).chain((axis) =>
          call(fc.tuple(floats(shape)), (x) => v.argsort(x, axis, { descending }), { axis, descending }),
        ),
      ),
  },
  sort: {
    calls: fc
      .tuple(full(1), maybe)
      .chain(([shape, descending]) =>
        axisOf(shape).chain((axis) =>
          call(fc.tuple(floats(shape, apart)), (x) => v.sort(x, axis, { descending }).values, { axis, descending }),
        ),
      ),
  },
  topK: {
    calls: fc
      .tuple(full(1), maybe)
      .chain(([shape, largest]) =>
        axisOf(shape).chain((axis) =>
          fc
            .nat(shape.at(axis)!)
            .chain((k) =>
              call(fc.tuple(floats(shape, apart)), (x) => v.topK(x, k, { axis, largest }).values, { k, axis, largest }),
            ),
        ),
      ),
  },
  softmax: alongAxis((x, axis) => v.softmax(x, axis)),
  logSoftmax: alongAxis((x, axis) => v.logSoftmax(x, axis)),
};

function alongAxis(f: (x: Tensor, axis: number) => Tensor): Row {
  const calls = full(1).chain((shape) =>
    axisOf(shape).chain((axis) => call(fc.tuple(floats(shape)), (x) => f(x, axis), { axis })),
  );
  return { calls };
}
