import t from "tap";
import { logSumExp } from "../../src/autograd/functions/log-sum-exp.ts";
import { mean } from "../../src/autograd/functions/mean.ts";
import { norm } from "../../src/autograd/functions/norm.ts";
import { std } from "../../src/autograd/functions/std.ts";
import { variance } from "../../src/autograd/functions/variance.ts";
import { grad } from "../../src/autograd/grad.ts";
import { checkGrads } from "../../src/autograd/gradcheck.ts";
import { variable } from "../../src/autograd/graph.ts";
import { div, mul } from "../../src/autograd/ops/arithmetic.ts";
import { argmax, argmin, max } from "../../src/autograd/ops/extrema.ts";
import { prod } from "../../src/autograd/ops/product.ts";
import { sum } from "../../src/autograd/ops/reduce.ts";
import { cumsum } from "../../src/autograd/ops/scan.ts";
import { exp } from "../../src/autograd/ops/transcendental.ts";
import { fromArray, full, tensor } from "../../src/tensor/create.ts";
import type { Shape } from "../../src/tensor/shape.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { draw, drawApart, exact, ints, values } from "../support.ts";

const [inf, nan] = [Infinity, Number.NaN];
const vector = (...xs: number[]) => fromArray(Float64Array.from(xs), [xs.length], exact);
const empty = (...shape: number[]) => fromArray([], shape, exact);
const rows = tensor(
  [
    [1, 2, 4],
    [3, 5, 7],
  ],
  exact,
);

const gradient = (f: (x: Tensor) => Tensor, x: Tensor): number[] => {
  const leaf = variable(x);
  return values(grad(sum(f(leaf)), [leaf])[0]);
};

/** The whole second derivative of a function of a vector to a number, row by row. */
function hessian(f: (x: Tensor) => Tensor, x: Tensor): number[][] {
  const leaf = variable(x);
  const [first] = grad(f(leaf), [leaf], { createGraph: true });
  return values(first).map((_, i) => {
    const seed = vector(...values(first).map((_, j) => Number(i === j)));
    return values(grad(first, [leaf], { seed, retainGraph: true })[0]);
  });
}

const shapes = (f: (x: Tensor, axes?: number[], options?: { keepDims?: boolean }) => Tensor): Shape[] => {
  const x = draw([2, 3, 4]);
  return [f(x), f(x, [1]), f(x, [0, -1]), f(x, [1], { keepDims: true }), f(x, undefined, { keepDims: true })].map(
    (y) => y.shape,
  );
};

t.test("shapes: all axes, some, and kept ones", async (t) => {
  for (const f of [prod, variance, std, logSumExp, norm, mean])
    t.same(shapes(f), [[], [2, 4], [3], [2, 1, 4], [1, 1, 1]], f.name);
});

t.test("derivatives to second order", async (t) => {
  const x = draw([2, 3, 4]);
  for (const f of [prod, variance, std, logSumExp, norm]) {
    checkGrads(t, (x: Tensor) => f(x), [x]);
    checkGrads(t, (x: Tensor) => mul(f(x, [0, 2], { keepDims: true }), x), [x]);
    checkGrads(t, (x: Tensor) => f(x, 1), [x]);
  }
  for (const p of [1, 1.5, 3, 7, inf]) checkGrads(t, (x: Tensor) => norm(x, 1, { p }), [drawApart([2, 5], 0, 1)]);
  checkGrads(t, (x: Tensor) => std(x, 0, { correction: 1 }), [x]);
  for (const axis of [0, 1, -1]) checkGrads(t, (x: Tensor) => exp(cumsum(x, axis)), [mul(x, 0.3)]);
});

t.test("prod: values by hand; int32 wraps; over nothing it is 1", async (t) => {
  t.same(prod(rows).item(), 840);
  t.same(values(prod(rows, 0)), [3, 10, 28]);
  t.same(values(prod(rows, -1)), [8, 105]);
  t.same(values(prod(ints([65536, 65536, 3]))), [0], "2³² · 3 modulo 2³²");
  t.same(values(prod(empty(2, 0), 1)), [1, 1]);
  t.same(prod(tensor(5, exact)).item(), 5, "rank 0");
  t.same(values(prod(rows, [])), values(rows), "over no axes");
  t.same(values(prod(vector(2, nan))), [nan]);
  t.same(values(prod(vector(0, inf))), [nan]);
  t.same(
    gradient((x) => prod(x, 1), empty(2, 0)),
    [],
  );
});

t.test("prod: the gradient and the second derivative hold where factors are 0", async (t) => {
  t.same(
    gradient((x) => prod(x), vector(2, 3, 4)),
    [12, 8, 6],
  );
  t.same(
    gradient((x) => prod(x), vector(2, 0, 4)),
    [0, 8, 0],
    "one zero",
  );
  t.same(
    gradient((x) => prod(x), vector(0, 3, 0)),
    [0, 0, 0],
    "two zeros",
  );
  t.same(
    gradient((x) => prod(x), vector(7)),
    [1],
    "size 1",
  );
  t.same(
    gradient((x) => prod(x, [0]), rows),
    [3, 5, 7, 1, 2, 4],
  );
  const zeros = (...at: number[]) =>
    fromArray(
      Float64Array.from({ length: 7 }, (_, i) => (at.includes(i) ? 0 : i + 1)),
      [7],
      exact,
    );
  for (const x of [zeros(2), zeros(2, 5), zeros(0, 3, 6)]) {
    // ∂²/∂xᵢ∂xⱼ is the product of all others.
    const expected = values(x).map((_, i) =>
      values(x).map((_, j) => (i === j ? 0 : values(x).reduce((p, v, k) => (k === i || k === j ? p : p * v), 1))),
    );
    t.same(
      hessian((x) => prod(x), x),
      expected,
    );
    checkGrads(t, (x: Tensor) => prod(x), [mul(x, 0.3)]);
  }
});

t.test("cumsum: values by hand, NaN, infinities, int32, empty axes", async (t) => {
  t.same(values(cumsum(rows)), [1, 3, 7, 3, 8, 15]);
  t.same(values(cumsum(rows, 0)), [1, 2, 4, 4, 7, 11]);
  t.same(values(cumsum(vector(1, nan, 2))), [1, nan, nan]);
  t.same(values(cumsum(vector(1, inf, -inf))), [1, inf, nan]);
  t.same(values(cumsum(ints([2 ** 30, 2 ** 30, 1]))), [2 ** 30, -(2 ** 31), -(2 ** 31) + 1]);
  t.same(cumsum(empty(0, 3), 0).shape, [0, 3]);
  t.same(cumsum(empty(0, 3), 1).shape, [0, 3]);
  t.same(values(cumsum(vector(5))), [5]);
  t.same(
    gradient((x) => mul(cumsum(x), vector(1, 10, 100)), vector(0, 0, 0)),
    [111, 110, 100],
  );
  const thirds = cumsum(full([3], 0.1, { device: "cpu" }));
  t.same(
    values(thirds),
    [0.1, 0.2, 0.3].map((_, i) => Math.fround(Math.fround(0.1) * (i + 1))),
    "float32 rounds each sum once",
  );
});

t.test("variance and std: divisors n and n − 1", async (t) => {
  const x = fromArray([1, 2, 6, 3, 5, 7], [2, 3], exact); // deviations −2, −1, 3 and −2, 0, 2
  t.same(values(variance(x, 1)), [14 / 3, 8 / 3]);
  t.same(values(variance(x, 1, { correction: 1 })), [7, 4]);
  t.same(values(std(x, 1, { correction: 1 })), [Math.sqrt(7), 2]);
  t.same(values(variance(vector(1, 3), 0, { correction: 1, keepDims: true })), [2]);
  t.same(values(variance(vector(4))), [0]);
  t.same(values(variance(vector(4), 0, { correction: 1 })), [nan], "no estimate from one value");
  t.same(values(variance(vector(1, 3), 0, { correction: 2 })), [inf]);
  t.same(values(std(empty(0))), [nan]);
  for (const f of [variance, std]) t.same(values(f(vector(1, nan))), [nan]);
  t.same(values(variance(vector(1, inf))), [nan]);
});

t.test("equal values have their own mean exactly, and std 0 with a gradient of 0", async (t) => {
  for (const n of [3, 7, 49, 1000]) t.same(mean(full([n], 1, exact)).item(), 1);
  const flat = full([49], 3, exact);
  t.same(std(flat).item(), 0);
  t.ok(gradient((x) => std(x), flat).every((g) => g === 0));
  t.same(
    gradient((x) => std(x), vector(1, 3)),
    [-0.5, 0.5],
  );
});

t.test("logSumExp: values, infinities, large numbers", async (t) => {
  const log = (x: number) => Math.log(x);
  t.same(
    logSumExp(vector(log(1), log(2), log(5)))
      .item()
      .toFixed(14),
    log(8).toFixed(14),
  );
  t.same(values(logSumExp(vector(1000, 1000))), [1000 + Math.LN2]);
  t.same(values(logSumExp(vector(-1000, -1000))), [-1000 + Math.LN2]);
  t.same(values(logSumExp(vector(-inf, 3))), [3]);
  t.same(values(logSumExp(vector(-inf, -inf))), [-inf]);
  t.same(values(logSumExp(vector(inf, 3))), [inf]);
  t.same(values(logSumExp(vector(inf, -inf))), [inf]);
  t.same(values(logSumExp(vector(nan, inf))), [nan]);
  t.same(values(logSumExp(empty(2, 0), 1)), [-inf, -inf]);
  t.same(logSumExp(empty(0, 3), 1).shape, [0]);
  t.same(logSumExp(tensor(2.5, exact)).item(), 2.5);
  t.same(values(logSumExp(vector(1, -inf), [])), [1, -inf]);
});

t.test("logSumExp: its gradient is softmax, 0 for a row of −∞", async (t) => {
  const x = tensor(
    [
      [0, 0, -inf],
      [-inf, -inf, -inf],
    ],
    exact,
  );
  t.same(
    gradient((x) => logSumExp(x, 1), x),
    [0.5, 0.5, 0, 0, 0, 0],
  );
  t.same(
    gradient((x) => logSumExp(x), vector(inf, 0)),
    [nan, 0],
    "∞ − ∞",
  );
});

t.test("norm: values for p = 1, 2, 3 and ∞", async (t) => {
  const x = vector(3, -4, 0);
  t.same(
    [1, 2, inf].map((p) => norm(x, 0, { p }).item()),
    [7, 5, 4],
  );
  t.same(norm(x).item(), 5);
  t.ok(Math.abs(norm(vector(3, -4, 5), 0, { p: 3 }).item() - 6) < 1e-14, "3³ + 4³ + 5³ = 6³");
  t.same(values(norm(rows, 1, { p: 1 })), [7, 15]);
  t.same(norm(tensor(-3, exact)).item(), 3, "rank 0");
  for (const p of [1, 2, 3]) t.same(norm(empty(0), 0, { p }).item(), 0);
  for (const p of [1, 2, 3, inf]) {
    t.same(norm(vector(1, nan), 0, { p }).item(), nan);
    t.same(norm(vector(1, -inf), 0, { p }).item(), inf);
  }
});

t.test("norm: gradients, and 0 for the zero vector", async (t) => {
  const along = (p: number) => (x: Tensor) => norm(x, 0, { p });
  t.same(gradient(along(2), vector(1, -1, 1, 1)), [0.5, -0.5, 0.5, 0.5]);
  t.same(gradient(along(1), vector(3, 0, -4)), [1, 0, -1]);
  t.same(gradient(along(inf), vector(3, -4, 4)), [0, -0.5, 0.5], "ties share");
  for (const p of [1, 1.5, 2, 3, inf])
    t.ok(
      gradient(along(p), vector(0, 0)).every((g) => g === 0),
      `p = ${p}`,
    );
  t.same(
    gradient((x) => norm(x, 1), fromArray([0, 0, 0, 0, 1, 1, -1, 1], [2, 4], exact)),
    [0, 0, 0, 0, 0.5, 0.5, -0.5, 0.5],
  );
});

t.test("argmin: the first of the smallest, NaN first, all of int32", async (t) => {
  t.same(values(argmin(vector(3, 1, 1, 2))), [1]);
  t.same(values(argmin(rows, 0)), [0, 0, 0]);
  t.same(values(argmin(vector(3, nan, -inf, nan))), [1]);
  t.same(values(argmin(vector(0, -0))), [0]);
  t.same(values(argmin(ints([5, -(2 ** 31), 2 ** 31 - 1]))), [1]);
  t.same(values(argmax(ints([5, -(2 ** 31), 2 ** 31 - 1]))), [2]);
});

t.test("errors name the operation and the axis", async (t) => {
  for (const f of [prod, logSumExp])
    t.throws(() => f(rows, 2), { message: `${f.name}: axis 2 is out of range for 2 axes` });
  t.throws(() => prod(rows, [0, -2]), { message: /prod: an axis is named twice in \[0, 0\]/ });
  t.throws(() => cumsum(tensor(1, exact)), { message: "cumsum: axis -1 is out of range for 0 axes" });
  t.throws(() => cumsum(rows, 2), { message: /cumsum: axis 2 is out of range/ });
  t.throws(() => argmin(empty(2, 0)), { message: /argmin: an empty axis has no minimum: \[2, 0\]/ });
  t.throws(() => norm(rows, 0, { p: 0.5 }), { message: "norm: p = 0.5 is not at least 1" });
  t.throws(() => norm(rows, 0, { p: nan }), { message: /norm: p = NaN/ });
  t.throws(() => norm(empty(0), 0, { p: inf }), { message: /norm: an empty axis has no largest magnitude: \[0\]/ });
  t.throws(() => max(empty(0)), { message: /max: an empty axis/ });
  t.throws(() => logSumExp(ints([1])), { message: /exp: an int32 operand; cast/ });
  t.throws(() => mean(ints([1, 2])), { message: /div: int32 operands do not divide exactly; cast/ });
  t.throws(() => div(ints([1]), 2), { message: /div: int32/ });
});
