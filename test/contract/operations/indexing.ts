import fc from "fast-check";
import * as v from "../../../src/browser.ts";
import { axisOf, call, floats, full, ints, type Row, shapes, upTo } from "./cases.ts";

/** A table of `rows` rows, and indices into it. */
const lookups = fc.tuple(upTo(4), shapes(0, 2), shapes(0, 2));

/** An axis and indices of x's shape, but for the length there. */
const along = full(1).chain((shape) =>
  fc.tuple(axisOf(shape), fc.nat(4)).map(([axis, n]) => {
    const at = axis < 0 ? axis + shape.length : axis;
    return { shape, axis, index: shape.map((length, i) => (i === at ? n : length)), length: shape[at]! };
  }),
);

export const indexing: Readonly<Record<string, Row>> = {
  gather: {
    calls: lookups.chain(([rows, row, index]) =>
      call(fc.tuple(floats([rows, ...row]), ints(index, 0, rows - 1)), (x, i) => v.gather(x, i)),
    ),
  },
  embedding: {
    calls: fc
      .tuple(upTo(4), upTo(3), shapes(0, 2))
      .chain(([rows, d, index]) =>
        call(fc.tuple(floats([rows, d]), ints(index, 0, rows - 1)), (x, i) => v.embedding(x, i)),
      ),
  },
  scatterAdd: {
    calls: lookups.chain(([rows, row, index]) =>
      call(fc.tuple(floats([...index, ...row]), ints(index, 0, rows - 1)), (x, i) => v.scatterAdd(x, i, rows)),
    ),
  },
  takeAlongAxis: {
    calls: along.chain(({ shape, axis, index, length }) =>
      call(fc.tuple(floats(shape), ints(index, 0, length - 1)), (x, i) => v.takeAlongAxis(x, i, axis), { axis }),
    ),
  },
  putAlongAxis: {
    calls: along.chain(({ axis, index, length }) =>
      call(fc.tuple(floats(index), ints(index, 0, length - 1)), (x, i) => v.putAlongAxis(x, i, axis, length), { axis }),
    ),
  },
  oneHot: {
    calls: fc
      .tuple(shapes(0, 2), upTo(4))
      .chain(([shape, classes]) => call(fc.tuple(ints(shape, 0, classes - 1)), (i) => v.oneHot(i, classes))),
  },
};
