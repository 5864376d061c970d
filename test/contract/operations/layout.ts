import fc from "fast-check";
import * as v from "../../../src/browser.ts";
import { axisOf, broadcasting, call, floats, full, maybe, orderOf, type Row, shapes, upTo } from "./cases.ts";

export const layout: Readonly<Record<string, Row>> = {
  reshape: {
    calls: fc.tuple(full(), full()).chain(([a, b]) => {
      const to = [...b, -1];
      const from = [...a, ...b];
      return call(fc.tuple(floats(from)), (x) => v.reshape(x, to), { to });
    }),
  },
  permute: {
    calls: shapes().chain((shape) =>
      orderOf(shape).chain((axes) => call(fc.tuple(floats(shape)), (x) => v.permute(x, axes), { axes })),
    ),
  },
  transpose: {
    calls: shapes(2).chain((shape) =>
      fc
        .tuple(axisOf(shape), axisOf(shape))
        .chain(([a, b]) => call(fc.tuple(floats(shape)), (x) => v.transpose(x, a, b), [a, b])),
    ),
  },
  expandDims: {
    calls: shapes().chain((shape) =>
      axisOf([...shape, 1]).chain((axis) => call(fc.tuple(floats(shape)), (x) => v.expandDims(x, axis), { axis })),
    ),
  },
  squeeze: {
    calls: fc
      .tuple(shapes(0, 2), shapes(0, 1), maybe)
      .chain(([a, b, all]) =>
        call(fc.tuple(floats([...a, 1, ...b])), (x) => v.squeeze(x, all ? undefined : a.length), { all }),
      ),
  },
  slice: {
    calls: fc
      .tuple(
        shapes(1),
        fc.integer({ min: -5, max: 5 }),
        fc.option(fc.integer({ min: -5, max: 5 }), { nil: undefined }),
        fc.constantFrom(-2, -1, 1, 2),
      )
      .chain(([shape, start, end, step]) =>
        axisOf(shape).chain((axis) =>
          call(fc.tuple(floats(shape)), (x) => v.slice(x, axis, start, end, step), { axis, start, end, step }),
        ),
      ),
  },
  select: {
    calls: full(1).chain((shape) =>
      axisOf(shape).chain((axis) =>
        axisOf({ length: shape.at(axis)! } as number[]).chain((index) =>
          call(fc.tuple(floats(shape)), (x) => v.select(x, axis, index), { axis, index }),
        ),
      ),
    ),
  },
  pad: {
    calls: shapes(1).chain((shape) => {
      const widths = fc.array(fc.nat(2), { minLength: shape.length, maxLength: shape.length });
      return fc
        .tuple(widths, widths)
        .chain(([before, after]) =>
          call(fc.tuple(floats(shape)), (x) => v.pad(x, before, after, 0.5), { before, after }),
        );
    }),
  },
  flip: {
    calls: shapes(1).chain((shape) =>
      fc
        .subarray(shape.map((_, axis) => axis))
        .chain((axes) => call(fc.tuple(floats(shape)), (x) => v.flip(x, axes), { axes })),
    ),
  },
  concat: {
    calls: fc.tuple(shapes(0, 2), fc.array(fc.nat(3), { minLength: 1, maxLength: 3 })).chain(([beside, lengths]) =>
      axisOf([...beside, 1]).chain((axis) => {
        const at = axis < 0 ? axis + beside.length + 1 : axis;
        const all = lengths.map((n) => floats([...beside.slice(0, at), n, ...beside.slice(at)]));
        return call(fc.tuple(...all), (...xs) => v.concat(xs, axis), { axis });
      }),
    ),
  },
  stack: {
    calls: fc.tuple(shapes(0, 2), upTo(3)).chain(([shape, count]) =>
      axisOf([...shape, 1]).chain((axis) => {
        const all = Array.from({ length: count }, () => floats(shape));
        return call(fc.tuple(...all), (...xs) => v.stack(xs, axis), { axis });
      }),
    ),
  },
  split: {
    calls: fc.tuple(shapes(0, 2), fc.nat(3), fc.nat(3)).chain(([beside, m, n]) =>
      call(fc.tuple(floats([...beside, m + n])), (x) => {
        const [a, b] = v.split(x, [m, n], -1);
        return v.concat([b!, a!, b!], -1);
      }),
    ),
  },
  tile: {
    calls: fc
      .tuple(shapes(0, 2), fc.array(fc.nat(3), { maxLength: 3 }))
      .chain(([shape, repeats]) => call(fc.tuple(floats(shape)), (x) => v.tile(x, repeats), { repeats })),
  },
  roll: {
    calls: fc
      .tuple(shapes(1), fc.integer({ min: -5, max: 5 }), fc.integer({ min: -5, max: 5 }))
      .chain(([shape, first, last]) =>
        call(fc.tuple(floats(shape)), (x) => v.roll(v.roll(x, first), [last], [-1]), { first, last }),
      ),
  },
  broadcastTo: {
    calls: broadcasting(2).chain(([from, beside]) => {
      const to = broadcast(from!, beside!);
      return call(fc.tuple(floats(from!)), (x) => v.broadcastTo(x, to), { to });
    }),
  },
  sumTo: {
    calls: broadcasting(2).chain(([to, beside]) =>
      call(fc.tuple(floats(broadcast(to!, beside!))), (x) => v.sumTo(x, to!), { to }),
    ),
  },
};

function broadcast(a: readonly number[], b: readonly number[]): number[] {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, i) => {
    const [m, n] = [a[i - rank + a.length] ?? 1, b[i - rank + b.length] ?? 1];
    return m === 1 ? n : m;
  });
}
