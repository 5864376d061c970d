import t from "tap";
import { elu, leakyRelu, silu, softplus } from "../../src/autograd/functions/activations.ts";
import { clamp } from "../../src/autograd/functions/clamp.ts";
import { gelu } from "../../src/autograd/functions/gelu.ts";
import { maskedFill } from "../../src/autograd/functions/masked-fill.ts";
import { grad } from "../../src/autograd/grad.ts";
import { type Asserter, checkGrads } from "../../src/autograd/gradcheck.ts";
import { variable } from "../../src/autograd/graph.ts";
import { add, mul } from "../../src/autograd/ops/arithmetic.ts";
import { abs, maximum, minimum } from "../../src/autograd/ops/extrema.ts";
import { sum } from "../../src/autograd/ops/reduce.ts";
import { notEqual } from "../../src/autograd/ops/select.ts";
import {
  erfc,
  exp,
  expm1,
  log1p,
  normalCdf,
  normalDensity,
  pow,
  sigmoid,
  sqrt,
} from "../../src/autograd/ops/transcendental.ts";
import { fromArray, tensor } from "../../src/tensor/create.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { draw, drawApart, exact, ints, values } from "../support.ts";

const [inf, nan] = [Infinity, Number.NaN];
const vector = (...xs: number[]) => fromArray(Float64Array.from(xs), [xs.length], exact);

/** The derivative of the given order of an element-wise function, cell by cell. */
function derivative(f: (x: Tensor) => Tensor, x: Tensor, order = 1): number[] {
  const leaf = variable(x);
  let y = f(leaf);
  for (let i = 0; i < order; i++) [y] = grad(sum(y), [leaf], { createGraph: true, allowUnused: true });
  return values(y);
}

/** Values for x = −10, −3, −½, 1 and 2. */
const TANH_FORM = [
  -1.204092348209806e-37, -0.0036373920817730186, -0.15428599017485609, 0.8411919906082767, 1.954597694087775,
];

function close(t: Asserter, actual: readonly number[], expected: readonly number[]): void {
  for (const [i, a] of actual.entries())
    t.ok(Math.abs(a - expected[i]) <= 1e-14 * Math.abs(expected[i]), `${a} is ${expected[i]}`);
}

t.test("derivatives to second order, away from kinks", async (t) => {
  const x = draw([3, 4]);
  for (const f of [expm1, erfc, normalCdf, normalDensity, silu, softplus, gelu])
    checkGrads(t, (x: Tensor) => f(x), [x]);
  checkGrads(t, log1p, [add(exp(x), -0.5)]);
  checkGrads(t, (x: Tensor) => gelu(x, { approximate: "tanh" }), [x]);
  checkGrads(t, (x: Tensor) => softplus(x, { beta: 2.5 }), [x]);
  const apart = drawApart([9]);
  checkGrads(t, (x: Tensor) => elu(x, 1.5), [apart]);
  checkGrads(t, (x: Tensor) => mul(leakyRelu(x, 0.2), x), [apart]);
  checkGrads(t, (x: Tensor) => mul(clamp(x, -0.25, 0.3), x), [apart]);
  checkGrads(t, (x: Tensor) => mul(maskedFill(x, ints([1, 0, 0, 1]), 3), x), [x]);
  checkGrads(t, (x: Tensor) => mul(mul(x, x), normalCdf(x)), [tensor(0.7, exact)]);
});

t.test("values against numbers worked out with 50 digits", async (t) => {
  const tanhForm = values(gelu(vector(-10, -3, -0.5, 1, 2), { approximate: "tanh" }));
  close(t, tanhForm, TANH_FORM);
  close(t, values(silu(vector(-2, 0.5))), [-0.23840584404423512, 0.3112296656009273]);
  close(t, values(expm1(vector(-2, 0.5))), [-0.8646647167633873, 0.6487212707001282]);
  close(t, values(softplus(vector(-2, 0.5))), [0.1269280110429725, 0.9740769841801067]);
  close(t, values(softplus(vector(-1, 0.25), { beta: 2 })), [0.1269280110429725 / 2, 0.9740769841801067 / 2]);
  t.same(values(leakyRelu(vector(-3, 0, 4), 0.5)), [-1.5, 0, 4]);
  t.same(values(leakyRelu(vector(-1))), [-0.01]);
  close(t, values(elu(vector(-2, 0.5), 2)), [2 * -0.8646647167633873, 0.5]);
  t.same(values(normalCdf(vector(0))), [0.5]);
  t.same(values(erfc(vector(0))), [1]);
});

t.test("NaN, infinities and signed zeros", async (t) => {
  const ends = vector(-inf, inf, nan);
  t.same(values(log1p(vector(-1, -2, inf, nan))), [-inf, nan, inf, nan]);
  t.same(values(expm1(ends)), [-1, inf, nan]);
  t.same(values(erfc(ends)), [2, 0, nan]);
  t.same(values(normalCdf(ends)), [0, 1, nan]);
  t.same(values(softplus(ends)), [0, inf, nan]);
  t.same(values(softplus(vector(1000, -1000))), [1000, 0]);
  t.same(values(elu(ends)), [-1, inf, nan]);
  t.same(values(leakyRelu(ends)), [-inf, inf, nan]);
  t.same(values(silu(ends)), [nan, inf, nan], "−∞ · 0, as in PyTorch");
  t.same(values(gelu(ends)), [nan, inf, nan]);
  t.same(values(clamp(ends, -1, 2)), [-1, 2, nan]);
  for (const f of [expm1, log1p]) t.ok(Object.is(values(f(vector(-0)))[0], -0), `${f.name} keeps −0`);
  t.same(values(expm1(vector(1e-300))), [1e-300]);
  t.same(values(log1p(vector(1e-300))), [1e-300]);
  t.same(derivative(softplus, vector(-inf, inf)), [0, 1]);
  t.same(derivative(elu, vector(-inf, inf)), [0, 1]);
});

t.test("softplus has the derivatives of the logistic function at 0, where its two forms meet", async (t) => {
  t.same(derivative(softplus, vector(0)), values(sigmoid(vector(0))));
  t.same(derivative(softplus, vector(0), 2), [0.25]);
  t.same(derivative(softplus, vector(0), 3), [0]);
});

t.test("derivatives at the kinks, as PyTorch has them", async (t) => {
  t.same(
    derivative((x) => clamp(x, -1, 1), vector(-1.5, -1, 0, 1, 1.5)),
    [0, 1, 1, 1, 0],
  );
  t.same(
    derivative((x) => clamp(x, 1, 1), vector(0, 1, 2)),
    [0, 1, 0],
    "a closed interval of one point",
  );
  t.same(
    derivative((x) => leakyRelu(x, 0.2), vector(-1, 0, 1)),
    [0.2, 0.2, 1],
  );
  t.same(
    derivative((x) => elu(x, 3), vector(0, 1)),
    [3, 1],
  );
  t.same(derivative(abs, vector(-2, -0, 0, 3)), [-1, 0, 0, 1]);
  const x = vector(1, 2);
  t.same(
    derivative((x) => maximum(x, vector(1, 1)), x),
    [0.5, 1],
    "ties share",
  );
  t.same(
    derivative((x) => maximum(x, x), x),
    [1, 1],
    "one tensor twice",
  );
});

t.test("clamp leaves out a bound that is infinite, also of int32", async (t) => {
  t.same(values(clamp(ints([-3, 5]), 0, inf)), [0, 5]);
  t.same(values(clamp(ints([-3, 5]), -inf, 2)), [-3, 2]);
  t.same(values(clamp(vector(1, 2), -inf, inf)), [1, 2]);
  t.same(clamp(tensor(7, exact), 0, 1).item(), 1, "rank 0");
  t.same(values(clamp(vector(), 0, 1)), []);
});

t.test("maximum and minimum, sqrt and abs follow IEEE 754", async (t) => {
  const zeros = [values(maximum(vector(-0, 0), vector(0, -0))), values(minimum(vector(-0, 0), vector(0, -0)))];
  t.ok(zeros[0].every((x) => Object.is(x, 0)) && zeros[1].every((x) => Object.is(x, -0)), "−0 is below 0");
  t.same(values(maximum(vector(nan, 1), vector(1, nan))), [nan, nan]);
  t.same(values(sqrt(vector(4, 2, -1, inf, nan))), [2, Math.SQRT2, nan, inf, nan]);
  t.ok(Object.is(values(sqrt(vector(-0)))[0], -0));
  t.same(derivative(sqrt, vector(0, 4, inf)), [inf, 0.25, 0]);
  t.same(values(abs(vector(-inf, -0, nan))), [inf, 0, nan]);
  t.same(values(abs(ints([-(2 ** 31)]))), [-(2 ** 31)], "int32 has no opposite of its smallest");
});

t.test("pow: values as IEEE 754 has them", async (t) => {
  t.same(values(pow(vector(-2, -2, -2, -2), vector(3, 2, -1, 0.5))), [-8, 4, -0.5, nan]);
  t.same(values(pow(vector(0, 0, -0, 0, -0), vector(0, -1, -1, 2, 3))), [1, inf, -inf, 0, -0]);
  t.same(values(pow(vector(nan, 1, 1, -1, -1), vector(0, nan, inf, inf, -inf))), [1, 1, 1, 1, 1]);
  t.same(values(pow(vector(inf, -inf, 0.5, 2), vector(-1, 3, inf, -inf))), [0, -inf, 0, 0]);
  t.same(values(pow(2, vector(10, -1))), [1024, 0.5]);
});

t.test("pow: derivatives at 0 and of negative bases, to third order", async (t) => {
  const power = (b: number) => (x: Tensor) => pow(x, b);
  const zero = vector(0);
  const at = (b: number) => [1, 2, 3].map((order) => derivative(power(b), zero, order)[0]);
  t.same(at(0), [0, 0, 0]);
  t.same(at(1), [1, 0, 0]);
  t.same(at(2), [0, 2, 0]);
  t.same(at(3), [0, 0, 6]);
  t.same(derivative(power(0.5), zero), [inf]);
  t.same(derivative(power(0), vector(nan, inf, -3)), [0, 0, 0]);
  t.same(derivative(power(3), vector(-2)), [12]);
  t.same(derivative(power(3), vector(-2), 2), [-12]);
  t.same(derivative(power(-1), vector(-2)), [-0.25]);
  checkGrads(t, power(3), [draw([5])]);
  checkGrads(t, power(-2), [drawApart([5], 3, 1)]);
});

t.test("pow: derivatives in the exponent", async (t) => {
  const of = (a: number) => (b: Tensor) => pow(a, b);
  t.same(derivative(of(0), vector(2, 0, -1)), [0, 0, -inf], "0 from the right; −∞ where 0ᵇ is ∞");
  t.same(derivative(of(1), vector(0, 5)), [0, 0]);
  t.same(derivative(of(-2), vector(2)), [nan], "no real power of a neighbouring exponent");
  t.same(derivative(of(Math.E), vector(0), 2), [1]);
  // ∂²/∂a∂b aᵇ = aᵇ⁻¹ (1 + b log a) is 1/a at b = 0.
  const [a, b] = [variable(vector(4)), variable(vector(0))];
  const [gradA] = grad(sum(pow(a, b)), [a], { createGraph: true });
  t.same(values(grad(sum(gradA), [b])[0]), [0.25]);
  checkGrads(t, pow, [add(exp(draw([3, 2], 1)), 0.5), fromArray([0, -1.5, 2], [3, 1], exact)]);
});

t.test("notEqual is the complement of equal; maskedFill broadcasts its mask", async (t) => {
  t.same(values(notEqual(vector(1, 2, nan), vector(1, 3, nan))), [0, 1, 1]);
  t.equal(notEqual(vector(1), 1).dtype, "int32");
  const x = tensor(
    [
      [1, 2],
      [3, 4],
    ],
    exact,
  );
  t.same(values(maskedFill(x, ints([0, 1]), -inf)), [1, -inf, 3, -inf]);
  t.same(values(maskedFill(x, ints([1, 0], [2, 1]), 0)), [0, 0, 3, 4]);
});

t.test("errors name the operation", async (t) => {
  t.throws(() => clamp(vector(1), 2, 1), { message: "clamp: no number lies between 2 and 1" });
  t.throws(() => clamp(vector(1), nan, 1), { message: /clamp: no number lies between NaN and 1/ });
  t.throws(() => maskedFill(vector(1, 2), ints([1, 1, 1]), 0), { message: /maskedFill: .*\[2\] and \[3\]/ });
  t.throws(() => maskedFill(vector(1, 2), ints([1, 1], [2, 1]), 0), {
    message: /maskedFill: the mask does not broadcast to the shape of x: \[2\] and \[2, 1\]/,
  });
  t.throws(() => maskedFill(vector(1), vector(1), 0), { message: /condition is float64, not int32/ });
  for (const f of [log1p, expm1, erfc, normalCdf])
    t.throws(() => f(ints([1])), { message: `${f.name}: an int32 operand; cast() it to float32 first` });
  t.throws(() => pow(ints([2]), 2), { message: /pow: an int32 operand/ });
});
