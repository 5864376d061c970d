import fc from "fast-check";
import * as v from "../../../src/browser.ts";
import { apart, axisOf, call, floats, full, maybe, positive, type Row, small, upTo } from "./cases.ts";

/** Large enough that the curvature near equal values is tame. */
const eps = 0.1;
const tolerance = { relative: 2e-5, absolute: 1e-4 };
/** [B, C, ...] with at least two cells in each channel. */
const channels = fc
  .tuple(fc.integer({ min: 2, max: 3 }), small, full(0, 2))
  .map(([B, C, positions]) => [B, C, ...positions]);

export const normalizations: Readonly<Record<string, Row>> = {
  layerNorm: {
    calls: fc
      .tuple(full(0, 2), fc.integer({ min: 2, max: 5 }))
      .chain(([lead, d]) =>
        call(fc.tuple(floats([...lead, d], apart), floats([d]), floats([d])), (x, weight, bias) =>
          v.layerNorm(x, weight, bias, eps),
        ),
      ),
    tolerance,
  },
  rmsNorm: {
    calls: fc.tuple(full(0, 2), upTo(5), maybe).chain(([lead, d, hasWeight]) => {
      const all = [floats([...lead, d], apart), ...(hasWeight ? [floats([d])] : [])];
      return call(fc.tuple(...all), (x, weight) => v.rmsNorm(x!, weight, eps), { hasWeight });
    }),
    tolerance,
  },
  groupNorm: {
    calls: fc.tuple(upTo(2), upTo(2), upTo(2), full(0, 2)).chain(([B, numGroups, each, positions]) => {
      const C = numGroups * each;
      const all = fc.tuple(floats([B, C, ...positions], apart), floats([C]), floats([C]));
      return call(all, (x, weight, bias) => v.groupNorm(x, numGroups, { weight, bias, eps }), { numGroups });
    }),
    tolerance,
  },
  batchNorm: {
    calls: fc.oneof(
      channels.chain((shape) => {
        const all = fc.tuple(floats(shape, apart), floats([shape[1]!]), floats([shape[1]!]));
        return call(all, (x, weight, bias) => v.batchNorm(x, { weight, bias, eps }).out);
      }),
      channels.chain((shape) => {
        const [, C] = shape as [number, number];
        const all = fc.tuple(floats(shape), floats([C]), floats([C], positive));
        return call(all, (x, mean, variance) => v.batchNorm(x, { running: { mean, variance }, eps }).out, "running");
      }),
    ),
    tolerance,
  },
  runningStatistics: {
    calls: upTo(3).chain((C) => {
      const all = fc.tuple(floats([C]), floats([C]), floats([C]), floats([C]));
      return call(all, (m, s, mean, variance) => {
        const after = v.runningStatistics({ mean: m, variance: s }, { mean, variance, count: 5 });
        return v.concat([after.mean, after.variance], 0);
      });
    }),
    noGradient: "statistics are constants by definition",
  },
  normalize: {
    calls: full(1).chain((shape) =>
      axisOf(shape).chain((axis) => call(fc.tuple(floats(shape, apart)), (x) => v.normalize(x, axis), { axis })),
    ),
    tolerance: { relative: 2e-5, absolute: 2e-4 },
  },
};
