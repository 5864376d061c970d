import fc from "fast-check";
import * as v from "../../../src/browser.ts";
import type { Tensor } from "../../../src/tensor/tensor.ts";
import {
  any,
  apart,
  binary,
  broadcasting,
  call,
  floats,
  GAP,
  ints,
  maybe,
  positive,
  type Row,
  shapes,
  unary,
} from "./cases.ts";

export const elementwise: Readonly<Record<string, Row>> = {
  add: binary(v.add, any),
  sub: binary(v.sub, any),
  mul: binary(v.mul, any),
  div: binary(v.div, any, positive),
  pow: binary(v.pow, positive, any),
  maximum: binary(v.maximum, apart),
  minimum: binary(v.minimum, apart),
  equal: binary(v.equal, any),
  notEqual: binary(v.notEqual, any),
  less: binary(v.less, any),
  lessEqual: binary(v.lessEqual, any),
  greater: binary(v.greater, any),
  greaterEqual: binary(v.greaterEqual, any),
  neg: unary(v.neg),
  square: unary(v.square),
  reciprocal: unary(v.reciprocal, positive),
  abs: unary(v.abs, apart),
  sign: unary(v.sign, apart),
  relu: unary(v.relu, apart),
  exp: unary(v.exp),
  expm1: unary(v.expm1),
  log: unary(v.log, positive),
  log1p: unary(v.log1p, positive),
  sqrt: unary(v.sqrt, positive),
  rsqrt: unary(v.rsqrt, positive),
  tanh: unary(v.tanh),
  sigmoid: unary(v.sigmoid),
  erf: unary(v.erf),
  erfc: unary(v.erfc),
  normalCdf: unary(v.normalCdf),
  normalDensity: unary(v.normalDensity),
  sin: unary(v.sin),
  cos: unary(v.cos),
  silu: unary(v.silu),
  gelu: {
    calls: fc.tuple(shapes(), fc.constantFrom("none", "tanh")).chain(([shape, approximate]) => {
      return call(fc.tuple(floats(shape)), (x) => v.gelu(x, { approximate }), { approximate });
    }),
  },
  softplus: {
    calls: fc.tuple(shapes(), fc.constantFrom(0.5, 1, 3)).chain(([shape, beta]) => {
      return call(fc.tuple(floats(shape)), (x) => v.softplus(x, { beta }), { beta });
    }),
  },
  leakyRelu: unary((x) => v.leakyRelu(x, 0.25), apart),
  elu: unary((x) => v.elu(x, 0.5), apart),
  clamp: {
    calls: fc
      .tuple(shapes(), fc.integer({ min: -9, max: 0 }), fc.integer({ min: 0, max: 9 }), maybe)
      .chain(([shape, low, high, open]) => {
        const [from, to] = [low * GAP, open ? Infinity : high * GAP];
        return call(fc.tuple(floats(shape, apart)), (x) => v.clamp(x, from, to), { from, to });
      }),
  },
  where: {
    calls: broadcasting(3).chain(([c, a, b]) =>
      call(fc.tuple(ints(c!, 0, 1), floats(a!), floats(b!)), (c, a, b) => v.where(c, a, b)),
    ),
  },
  maskedFill: {
    calls: shapes().chain((shape) =>
      fc.nat(shape.length).chain((from) => {
        const mask = ints(shape.slice(from), 0, 1);
        return call(fc.tuple(floats(shape), mask), (x, mask) => v.maskedFill(x, mask, -3));
      }),
    ),
  },
  cast: {
    calls: fc.oneof(
      shapes().chain((shape) => call(fc.tuple(floats(shape)), (x) => v.cast(x, x.dtype), "its own")),
      shapes().chain((shape) => call(fc.tuple(floats(shape)), (x) => v.cast(x, "int32"), "int32")),
    ),
  },
  toDevice: unary((x) => v.toDevice(x, x.dtype === "float64" ? "cpu" : "wasm")),
  dropout: {
    calls: fc.tuple(shapes(), fc.constantFrom(0, 0.25, 0.75), fc.nat()).chain(([shape, probability, seed]) => {
      const run = (x: Tensor) => v.dropout(x, probability, new v.Rng(seed));
      return call(fc.tuple(floats(shape)), run, { probability, seed });
    }),
  },
};
