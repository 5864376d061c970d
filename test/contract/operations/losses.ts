import fc from "fast-check";
import * as v from "../../../src/browser.ts";
import type { Tensor } from "../../../src/tensor/tensor.ts";
import {
  any,
  apart,
  call,
  type Draw,
  floats,
  full,
  GAP,
  ints,
  maybe,
  positive,
  type Row,
  small,
  together,
  upTo,
} from "./cases.ts";

const reductions = fc.constantFrom("mean" as const, "sum" as const, "none" as const);

/** A loss of a prediction and a target of its shape. */
function ofTarget(f: (x: Tensor, target: Tensor, options: v.LossOptions) => Tensor, draw: Draw): Row {
  const calls = fc
    .tuple(full(), reductions)
    .chain(([shape, reduction]) =>
      call(together([shape, shape], draw), (x, y) => f(x, y, { reduction }), { reduction }),
    );
  return { calls };
}

export const losses: Readonly<Record<string, Row>> = {
  crossEntropy: {
    calls: fc.oneof(
      fc
        .tuple(upTo(4), upTo(4))
        .chain(([n, classes]) =>
          call(fc.tuple(floats([n, classes]), ints([n], -1, classes - 1)), (x, labels) => v.crossEntropy(x, labels)),
        ),
      fc.tuple(upTo(3), upTo(3), full(0, 1), reductions).chain(([n, classes, rest, reduction]) => {
        const options = { reduction, labelSmoothing: 0.25, ignoreIndex: 1 };
        const all = fc.tuple(
          floats([n, classes, ...rest]),
          ints([n, ...rest], -1, classes - 1),
          floats([classes], positive),
        );
        return call(all, (x, labels, weight) => v.crossEntropy(x, labels, { ...options, weight }), options);
      }),
    ),
    tolerance: { relative: 1e-5, absolute: 5e-5 },
  },
  binaryCrossEntropyWithLogits: ofTarget((x, y, options) => v.binaryCrossEntropyWithLogits(x, y, options), any),
  mseLoss: ofTarget(v.mseLoss, any),
  l1Loss: ofTarget(v.l1Loss, apart),
  smoothL1Loss: {
    calls: fc.tuple(full(), reductions).chain(([shape, reduction]) =>
      // |x − t| is a multiple of GAP; β lies between two of them.
      call(together([shape, shape], apart), (x, y) => v.smoothL1Loss(x, y, { beta: 2.5 * GAP, reduction }), {
        reduction,
      }),
    ),
  },
  klDivergence: {
    calls: fc
      .tuple(full(1), fc.constantFrom("mean", "sum", "none", "batchMean"), maybe)
      .chain(([shape, reduction, logTarget]) => {
        const options = { reduction, logTarget } as const;
        return call(fc.tuple(floats(shape), floats(shape, positive)), (x, y) => v.klDivergence(x, y, options), options);
      }),
    tolerance: { relative: 1e-5, absolute: 5e-5 },
  },
  ipot: {
    calls: fc
      .tuple(upTo(2), small, small)
      .chain(([B, M, N]) =>
        call(fc.tuple(floats([B, M, N], positive), ints([B, M], 0, 1), ints([B, N], 0, 1)), (cost, words, patches) =>
          v.ipot(cost, words, patches, { iterations: 5 }),
        ),
      ),
    noGradient: "the plan is a constant by definition",
    tolerance: { relative: 2e-4, absolute: 1e-6 },
  },
};
