import t from "tap";
import { grad } from "../../src/autograd/grad.ts";
import { checkGrads, gradcheck } from "../../src/autograd/gradcheck.ts";
import { variable } from "../../src/autograd/graph.ts";
import { add, div, mul, neg, sub } from "../../src/autograd/ops/arithmetic.ts";
import { abs, argmax, max, maximum, min, minimum, relu } from "../../src/autograd/ops/extrema.ts";
import { gather, putAlongAxis, scatterAdd, takeAlongAxis } from "../../src/autograd/ops/indexing.ts";
import {
  concat,
  expandDims,
  flip,
  pad,
  permute,
  reshape,
  select,
  slice,
  split,
  squeeze,
  stack,
  transpose,
} from "../../src/autograd/ops/layout.ts";
import { matmul } from "../../src/autograd/ops/linalg.ts";
import { broadcastTo, sum, sumTo } from "../../src/autograd/ops/reduce.ts";
import { cast, equal, greater, greaterEqual, less, lessEqual, where } from "../../src/autograd/ops/select.ts";
import { cos, erf, exp, log, pow, rsqrt, sigmoid, sin, sqrt, tanh } from "../../src/autograd/ops/transcendental.ts";
import { fromArray, tensor } from "../../src/tensor/create.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { draw, drawApart, exact, ints, values } from "../support.ts";

const positive = (shape: number[], seed: number | string) => add(exp(draw(shape, seed)), 0.5);

t.test("element-wise operations: derivatives to second order, with broadcasting", async (t) => {
  const [a, b] = [draw([3, 1, 4], "a"), draw([2, 1], "b")];
  checkGrads(t, add, [a, b]);
  checkGrads(t, sub, [a, b]);
  checkGrads(t, mul, [a, b]);
  checkGrads(t, div, [a, positive([2, 1], "c")]);
  checkGrads(t, pow, [positive([3, 2], "p"), draw([2], "q")]);
  checkGrads(t, neg, [a]);
  for (const f of [exp, tanh, sigmoid, erf, sin, cos]) checkGrads(t, f, [a]);
  for (const f of [log, sqrt, rsqrt]) checkGrads(t, f, [positive([5], "d")]);
  checkGrads(t, (x: Tensor) => mul(x, x), [a]);
  checkGrads(t, (x: Tensor, y: Tensor) => where(greater(x, 0), mul(x, y), exp(y)), [
    drawApart([4], 1),
    draw([3, 1], 2),
  ]);
  for (const f of [maximum, minimum]) checkGrads(t, f, [drawApart([4, 3], 1), drawApart([3], 2, 0.37)]);
  checkGrads(t, abs, [drawApart([7])]);
  checkGrads(t, relu, [drawApart([7])]);
});

t.test("reductions: derivatives to second order", async (t) => {
  const x = draw([2, 3, 4]);
  checkGrads(t, (x: Tensor) => sum(mul(x, x), [0, 2]), [x]);
  checkGrads(t, (x: Tensor) => mul(x, sum(x, 1, { keepDims: true })), [x]);
  for (const f of [max, min]) {
    checkGrads(t, (x: Tensor) => mul(f(x, 1), 2), [drawApart([2, 5, 2])]);
    checkGrads(t, (x: Tensor) => f(x), [drawApart([6])]);
  }
  checkGrads(t, (x: Tensor) => broadcastTo(x, [5, 2, 3]), [draw([2, 1])]);
  checkGrads(t, (x: Tensor) => sumTo(mul(x, x), [3, 1]), [x]);
});

t.test("layout: derivatives to second order", async (t) => {
  const x = draw([2, 3, 4]);
  const square = (y: Tensor) => mul(y, y);
  checkGrads(t, (x: Tensor) => square(reshape(x, [4, -1])), [x]);
  checkGrads(t, (x: Tensor) => square(permute(x, [2, 0, 1])), [x]);
  checkGrads(t, (x: Tensor) => square(transpose(x, 0, 1)), [x]);
  checkGrads(t, (x: Tensor) => square(slice(x, 2, 3, 0, -2)), [x]);
  checkGrads(t, (x: Tensor) => square(pad(x, [1, 0, 2], [0, 1, 1], 3)), [x]);
  checkGrads(t, (x: Tensor) => square(flip(x, [0, 2])), [x]);
  checkGrads(t, (x: Tensor) => square(select(x, 1, -1)), [x]);
  checkGrads(t, (x: Tensor) => squeeze(expandDims(square(x), 1), 1), [x]);
  checkGrads(t, (x: Tensor, y: Tensor) => square(concat([x, y, x], 1)), [x, draw([2, 1, 4], 1)]);
  checkGrads(t, (x: Tensor, y: Tensor) => square(stack([x, y], 1)), [x, draw([2, 3, 4], 1)]);
  checkGrads(
    t,
    (x: Tensor) =>
      split(x, [1, 2], 1)
        .map(square)
        .map((p) => sum(p))
        .reduce(add),
    [x],
  );
});

t.test("indexing: derivatives to second order, with repeated indices", async (t) => {
  const square = (y: Tensor) => mul(y, y);
  const ids = ints([2, 0, 2, 1], [2, 2]);
  checkGrads(t, (x: Tensor) => square(gather(x, ids)), [draw([4, 3])]);
  checkGrads(t, (x: Tensor) => square(scatterAdd(x, ids, 5)), [draw([2, 2, 3])]);
  const along = ints([1, 1, 0, 2], [2, 2]);
  checkGrads(t, (x: Tensor) => square(takeAlongAxis(x, along, 1)), [draw([2, 3])]);
  checkGrads(t, (x: Tensor) => square(putAlongAxis(x, along, 1, 3)), [draw([2, 2])]);
});

t.test("matmul: derivatives to second order, with broadcasting and all transpositions", async (t) => {
  checkGrads(t, (a: Tensor, b: Tensor) => matmul(a, b), [draw([2, 1, 3, 4], 1), draw([5, 4, 2], 2)]);
  for (const transposeA of [false, true])
    for (const transposeB of [false, true])
      checkGrads(t, (a: Tensor, b: Tensor) => matmul(a, b, { transposeA, transposeB }), [
        draw(transposeA ? [2, 4, 3] : [2, 3, 4], 1),
        draw(transposeB ? [5, 4] : [4, 5], 2),
      ]);
});

t.test("values against numbers worked out by hand", async (t) => {
  const x = tensor(
    [
      [1, 2, 3],
      [4, 5, 6],
    ],
    exact,
  );
  t.same(values(slice(x, 1, -1, undefined, -2)), [3, 1, 6, 4]);
  t.same(values(slice(x, 1, -2)), [2, 3, 5, 6]);
  t.same(values(slice(x, 0, 5)), [], "a slice beyond the end is empty");
  t.same(values(pad(x, [0, 1], [1, 0], 9)), [9, 1, 2, 3, 9, 4, 5, 6, 9, 9, 9, 9]);
  t.same(values(concat([x, x], 1)), [1, 2, 3, 1, 2, 3, 4, 5, 6, 4, 5, 6]);
  t.same(values(sum(x, 0)), [5, 7, 9]);
  t.same(values(matmul(x, x, { transposeB: true })), [14, 32, 32, 77]);
  t.same(values(argmax(x, 1)), [2, 2]);
  t.same(values(cast(tensor([1.9, -1.9], exact), "int32")), [1, -1]);
  const [a, b] = [tensor([1, 2, Number.NaN], exact), tensor([1, 3, Number.NaN], exact)];
  t.same(
    [equal, less, lessEqual, greater, greaterEqual].map((f) => values(f(a, b))),
    [
      [1, 0, 0],
      [0, 1, 0],
      [1, 1, 0],
      [0, 0, 0],
      [1, 0, 0],
    ],
  );
  t.same(values(sum(fromArray([], [0, 3], exact), 0)), [0, 0, 0], "the sum over an empty axis is 0");
});

t.test("ties share the gradient; what where() leaves out gets none", async (t) => {
  const x = variable(tensor([1, 3, 3], exact));
  t.same(values(grad(max(x), [x])[0]!), [0, 0.5, 0.5]);
  const y = variable(tensor([0], exact));
  t.same(values(grad(sum(maximum(y, 0)), [y])[0]!), [0.5]);
  const z = variable(tensor([0, 4], exact));
  const root = where(greater(z, 0), sqrt(where(greater(z, 0), z, 1)), 0);
  t.same(values(grad(sum(root), [z])[0]!), [0, 0.25]);
});

t.test("errors name the operation and both shapes", async (t) => {
  const x = draw([2, 3]);
  t.throws(() => matmul(x, draw([4, 5])), { message: /matmul: inner dimensions differ: \[2, 3\] and \[4, 5\]/ });
  t.throws(() => add(x, draw([4])), { message: /add: axis 1 does not broadcast \(3 against 4\): \[2, 3\] and \[4\]/ });
  t.throws(() => reshape(x, [4, 2]), { message: /reshape: 6 elements do not fit: \[2, 3\] and \[4, 2\]/ });
  t.throws(() => permute(x, [0, 0]), { message: /permute: .*each axis once: \[2, 3\]/ });
  t.throws(() => sum(x, 2), { message: /sum: axis 2 is out of range for 2 axes/ });
  t.throws(() => concat([x, draw([3, 3])], 1), {
    message: /concat: lengths differ beside axis 1: \[2, 3\] and \[3, 3\]/,
  });
  t.throws(() => max(fromArray([], [0], exact)), { message: /max: an empty axis/ });
  t.throws(() => exp(ints([1])), { message: /exp: an int32 operand; cast/ });
  t.throws(() => add(x, tensor([1, 2, 3], { device: "cpu" })), { message: /add: operands are float64 and float32/ });
  t.throws(() => where(x, x, 0), { message: /where: the condition is float64, not int32/ });
  t.throws(() => gather(x, x), { message: /gather: indices are float64, not int32/ });
});

t.test("gradcheck finds a wrong rule and refuses float32", async (t) => {
  const wrong = (x: Tensor) => add(mul(x, 2), variable(x));
  t.notOk(gradcheck(wrong, [draw([3])]).ok, "a detached part is found");
  t.throws(() => gradcheck(exp, [tensor([1], { device: "cpu" })]), {
    message: /input 0 is float32; differences need float64/,
  });
});
