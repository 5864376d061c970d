import fc from "fast-check";
import type { PrimitiveName } from "../../../src/tensor/kernels.ts";
import { broadcastShapes, reducedShape } from "../../../src/tensor/shape.ts";
import { type Case, length, type Sample } from "../harness.ts";
import {
  alongAxis,
  binary,
  broadcast,
  broadcasting,
  cells,
  comparison,
  lookups,
  lookupsAlong,
  mask,
  nearOne,
  positive,
  reduction,
  sample,
  unary,
  windows,
} from "./draws.ts";

/** Calls of each primitive. */
export const primitiveCases: { readonly [K in PrimitiveName]: fc.Arbitrary<Case<K>> } = {
  ...{ neg: unary("neg"), abs: unary("abs"), sign: unary("sign"), exp: unary("exp"), expm1: unary("expm1") },
  ...{ log: unary("log", positive), log1p: unary("log1p", positive), sqrt: unary("sqrt", positive) },
  ...{ tanh: unary("tanh"), sigmoid: unary("sigmoid"), erf: unary("erf"), erfc: unary("erfc") },
  ...{ normalCdf: unary("normalCdf"), sin: unary("sin"), cos: unary("cos") },
  ...{ add: binary("add"), sub: binary("sub"), mul: binary("mul"), div: binary("div", positive) },
  ...{ pow: binary("pow", positive), maximum: binary("maximum"), minimum: binary("minimum") },
  ...{ equal: comparison("equal"), less: comparison("less"), lessEqual: comparison("lessEqual") },
  where: broadcasting(3)
    .chain(([c, a, b]) => fc.tuple(mask(c!), sample(a!), sample(b!)))
    .map((inputs) => broadcast("where", inputs, "float32")),
  dropout: fc
    .tuple(
      cells.chain((of) => sample(of)),
      fc.integer(),
    )
    .map(([x, seed]) => ({ kernel: "dropout", inputs: [x], out: x, attributes: { probability: 0.3, seed } })),
  cast: cells
    .chain((of) => sample(of))
    .map((x) => ({ kernel: "cast", inputs: [x], out: { shape: x.shape, dtype: "int32" }, attributes: {} })),
  ...{ sum: reduction("sum"), max: reduction("max"), min: reduction("min"), prod: reduction("prod", nearOne) },
  argmax: alongAxis.map(([x, axis]) => ({
    ...{ kernel: "argmax", inputs: [x], attributes: { axis } },
    out: { shape: reducedShape(x.shape, [axis], false), dtype: "int32" },
  })),
  cumsum: alongAxis.map(([x, axis]) => ({ kernel: "cumsum", inputs: [x], out: x, attributes: { axis } })),
  argsort: fc.tuple(alongAxis, fc.boolean()).map(([[x, axis], descending]) => ({
    ...{ kernel: "argsort", inputs: [x], out: { shape: x.shape, dtype: "int32" } },
    attributes: { axis, descending },
  })),
  permute: cells.chain((of) =>
    fc
      .tuple(sample(of), fc.shuffledSubarray([...of.keys()], { minLength: of.length, maxLength: of.length }))
      .map(([x, axes]) => ({
        ...{ kernel: "permute", inputs: [x], attributes: { axes } },
        out: { shape: axes.map((axis) => x.shape[axis]!), dtype: "float32" },
      })),
  ),
  broadcastTo: broadcasting(2).chain(([a, b]) =>
    sample(a!).map((x) => ({
      ...{ kernel: "broadcastTo", inputs: [x], attributes: {} },
      out: { shape: broadcastShapes("test", a!, b!), dtype: "float32" },
    })),
  ),
  slice: windows.chain(({ inner, outer, starts, steps }) =>
    sample(outer).map((x) => ({
      ...{ kernel: "slice", inputs: [x], out: { shape: inner, dtype: "float32" }, attributes: { starts, steps } },
    })),
  ),
  pad: windows.chain(({ inner, outer, starts, steps }) =>
    sample(inner).map((x) => ({
      ...{ kernel: "pad", inputs: [x], out: { shape: outer, dtype: "float32" } },
      attributes: { starts, steps, value: -0.5 },
    })),
  ),
  concat: alongAxis.chain(([x, axis]) =>
    length.chain((n) =>
      // Some take more inputs than a kernel of a GPU can.
      fc.tuple(sample(x.shape.with(axis, n)), fc.constantFrom(1, 8)).map(([y, times]) => ({
        ...{ kernel: "concat", inputs: [x, ...Array<Sample>(times).fill(y)], attributes: { axis } },
        out: { shape: x.shape.with(axis, x.shape[axis]! + times * n), dtype: "float32" },
      })),
    ),
  ),
  gather: lookups.map(([x, which, updates]) => ({
    kernel: "gather",
    inputs: [x, which],
    out: updates,
    attributes: {},
  })),
  scatterAdd: lookups.map(([x, which, updates]) => ({
    ...{ kernel: "scatterAdd", inputs: [updates, which], out: x, attributes: {} },
  })),
  takeAlongAxis: lookupsAlong.map(([axis, x, which, updates]) => ({
    ...{ kernel: "takeAlongAxis", inputs: [x, which], out: updates, attributes: { axis } },
  })),
  putAlongAxis: lookupsAlong.map(([axis, x, which, updates]) => ({
    ...{ kernel: "putAlongAxis", inputs: [updates, which], out: x, attributes: { axis } },
  })),
  matmul: fc.tuple(length, length, length, length, fc.boolean(), fc.boolean()).chain(([B, m, n, k, tA, tB]) =>
    fc.tuple(sample([B, ...(tA ? [k, m] : [m, k])]), sample(tB ? [n, k] : [k, n])).map((inputs) => ({
      ...{ kernel: "matmul", inputs, out: { shape: [B, m, n], dtype: "float32" } },
      attributes: { transposeA: tA, transposeB: tB },
    })),
  ),
};
