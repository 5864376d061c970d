import t from "tap";
import { sort, topK } from "../../src/autograd/functions/sort.ts";
import { grad } from "../../src/autograd/grad.ts";
import { checkGrads } from "../../src/autograd/gradcheck.ts";
import { variable } from "../../src/autograd/graph.ts";
import { mul } from "../../src/autograd/ops/arithmetic.ts";
import { max } from "../../src/autograd/ops/extrema.ts";
import { sum } from "../../src/autograd/ops/reduce.ts";
import { argsort } from "../../src/autograd/ops/sort.ts";
import { fromArray, tensor } from "../../src/tensor/create.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { draw, drawApart, exact, ints, values } from "../support.ts";

const [inf, nan] = [Infinity, Number.NaN];
const vector = (...xs: number[]) => fromArray(Float64Array.from(xs), [xs.length], exact);
const descending = { descending: true };

t.test("argsort: both directions keep the order of ties", async (t) => {
  const x = vector(3, 1, 2, 1, 3);
  t.same(values(argsort(x)), [1, 3, 2, 0, 4]);
  t.same(values(argsort(x, 0, descending)), [0, 4, 2, 1, 3]);
  t.equal(argsort(x).dtype, "int32");
  t.same(values(argsort(vector(0, -0, 0))), [0, 1, 2], "−0 ties with 0");
  const long = fromArray(
    Float64Array.from({ length: 2000 }, (_, i) => i % 3),
    [2000],
    exact,
  );
  const order = values(argsort(long));
  t.ok(
    order.every((at, i) => i === 0 || order[i - 1] % 3 < at % 3 || (order[i - 1] % 3 === at % 3 && order[i - 1] < at)),
    "stable over 2000 cells",
  );
});

t.test("argsort: NaN counts as the largest; infinities, int32, one cell, none", async (t) => {
  const x = vector(nan, 1, inf, nan, -inf);
  t.same(values(argsort(x)), [4, 1, 2, 0, 3]);
  t.same(values(argsort(x, 0, descending)), [0, 3, 2, 1, 4]);
  t.same(values(argsort(ints([2 ** 31 - 1, -(2 ** 31), 0]))), [1, 2, 0]);
  t.same(values(argsort(ints([2 ** 31 - 1, -(2 ** 31), 0]), 0, descending)), [0, 2, 1]);
  t.same(values(argsort(vector(7))), [0]);
  t.same(argsort(fromArray([], [2, 0], exact)).shape, [2, 0]);
  t.same(argsort(fromArray([], [0, 2], exact), 1).shape, [0, 2]);
});

t.test("sort: values and indices along any axis", async (t) => {
  const x = tensor(
    [
      [3, 1, 2],
      [0, 5, 4],
    ],
    exact,
  );
  const byRow = sort(x);
  t.same(
    [values(byRow.values), values(byRow.indices)],
    [
      [1, 2, 3, 0, 4, 5],
      [1, 2, 0, 0, 2, 1],
    ],
  );
  const byColumn = sort(x, 0, descending);
  t.same(
    [values(byColumn.values), values(byColumn.indices)],
    [
      [3, 5, 4, 0, 1, 2],
      [0, 1, 1, 1, 0, 0],
    ],
  );
  const random = draw([4, 5, 6]);
  for (const axis of [0, 1, 2]) t.same(sort(random, axis).values.shape, [4, 5, 6]);
  const sorted = values(sort(draw([50])).values);
  t.same(
    sorted,
    [...values(draw([50]))].sort((a, b) => a - b),
    "as JavaScript sorts",
  );
});

t.test("topK: the largest or smallest, in order", async (t) => {
  const x = vector(2, 9, 4, 9, 1);
  const largest = topK(x, 3);
  t.same(
    [values(largest.values), values(largest.indices)],
    [
      [9, 9, 4],
      [1, 3, 2],
    ],
  );
  const smallest = topK(x, 2, { largest: false });
  t.same(
    [values(smallest.values), values(smallest.indices)],
    [
      [1, 2],
      [4, 0],
    ],
  );
  t.same(values(topK(vector(1, nan, 3), 1).values), values(max(vector(1, nan, 3), 0)), "NaN wins, as in max");
  t.same(values(topK(vector(1, nan, 3), 2, { largest: false }).values), [1, 3]);
  t.same(topK(draw([4, 5]), 2, { axis: 0 }).values.shape, [2, 5]);
  t.same(topK(draw([4, 5]), 0).values.shape, [4, 0]);
  t.same(values(topK(x, 5).values), [9, 9, 4, 2, 1], "all of them");
});

t.test("derivatives go where the values stood, to second order", async (t) => {
  const x = drawApart([3, 4]);
  for (const axis of [0, 1]) {
    checkGrads(t, (x: Tensor) => mul(sort(x, axis).values, draw([3, 4], "weights")), [x]);
    checkGrads(t, (x: Tensor) => mul(sort(x, axis, descending).values, sort(x, axis).values), [x]);
    checkGrads(t, (x: Tensor) => mul(topK(x, 2, { axis }).values, topK(x, 2, { axis, largest: false }).values), [x]);
  }
  const tied = variable(vector(5, 5, 1));
  t.same(values(grad(sum(topK(tied, 1).values), [tied])[0]), [1, 0, 0], "a tie is decided by position");
});

t.test("errors name the operation and the axis", async (t) => {
  const x = draw([2, 3]);
  t.throws(() => argsort(x, 2), { message: "argsort: axis 2 is out of range for 2 axes" });
  t.throws(() => sort(tensor(1, exact)), { message: "sort: axis -1 is out of range for 0 axes" });
  t.throws(() => topK(x, 4), { message: "topK: k = 4 does not fit axis -1 of length 3: [2, 3]" });
  t.throws(() => topK(x, 1.5, { axis: 0 }), { message: /topK: k = 1.5 does not fit axis 0 of length 2/ });
  t.throws(() => topK(x, -1), { message: /topK: k = -1/ });
});
