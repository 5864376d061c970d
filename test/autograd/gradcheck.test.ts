import t, { type Test } from "tap";
import { defineFunction } from "../../src/autograd/define-function.ts";
import { dropout } from "../../src/autograd/functions/dropout.ts";
import {
  checkGrads,
  formatGradcheck,
  type GradcheckOptions,
  gradcheck,
  gradgradcheck,
} from "../../src/autograd/gradcheck.ts";
import { detach, variable } from "../../src/autograd/graph.ts";
import { add, div, mul, neg, square } from "../../src/autograd/ops/arithmetic.ts";
import { gather } from "../../src/autograd/ops/indexing.ts";
import { matmul } from "../../src/autograd/ops/linalg.ts";
import { sum } from "../../src/autograd/ops/reduce.ts";
import { greater, where } from "../../src/autograd/ops/select.ts";
import { cos, exp, log, sin, sqrt } from "../../src/autograd/ops/transcendental.ts";
import { fromArray, ones, tensor } from "../../src/tensor/create.ts";
import { Rng } from "../../src/tensor/rng.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { draw, exact, ints } from "../support.ts";

const vector = (...items: number[]) => tensor(items, exact);
/** A function with a pull-back of one's choice. */
const mine = (forward: (x: Tensor) => Tensor, pullBack: (grad: Tensor, x: Tensor) => unknown) =>
  defineFunction({ name: "mine", forward, pullBack: ({ grad, inputs: [x] }) => [pullBack(grad, x) as Tensor] });

t.test("right functions pass, in every mode and order", async (t) => {
  const right = mine(sin, (grad, x) => mul(grad, cos(x)));
  for (const mode of ["random", "full"] as const)
    for (const order of [1, 2] as const) {
      const result = gradcheck(right, [draw([2, 3])], { mode, order });
      t.match(result, { ok: true, hint: null, tolerance: 1e-7 });
      t.ok(result.relativeError < 1e-9 && result.absoluteError < 1e-9);
      t.equal(result.element === null, mode === "random");
      t.match(
        formatGradcheck(result),
        /^derivative of order \d: analytic -?\d\S+, numeric -?\d\S+ at worst, in (a random direction|.*element.*); relative error \d\.\de-\d+$/,
      );
    }
  t.match(gradgradcheck(right, [draw([2, 3])]), { ok: true, order: 2 });
  const product = (a: Tensor, b: Tensor) => matmul(a, b);
  t.ok(gradcheck(product, [draw([2, 3], 1), draw([3, 2], 2)], { mode: "full", order: 2 }).ok);
  t.ok(gradcheck((x: Tensor, i: Tensor) => gather(x, i), [draw([3, 2]), ints([2, 2])], { mode: "full", order: 2 }).ok);
  t.ok(gradcheck((x: Tensor) => sum(x), [draw([0])], { mode: "full", order: 2 }).ok, "no element, nothing wrong");
});

t.test("a wrong element is named", async (t) => {
  const off = tensor(
    [
      [0, 0, 0],
      [0, 0, 1],
    ],
    exact,
  );
  const wrong = mine(sin, (grad, x) => mul(grad, add(cos(x), off)));
  for (const mode of ["random", "full"] as const) {
    const result = gradcheck(wrong, [draw([2, 3])], { mode });
    t.match(result, {
      ok: false,
      order: 1,
      input: 0,
      element: 5,
      where: "input 0, element [1, 2]",
      hint: { cause: "rule" },
    });
    t.ok(result.absoluteError > 0.1 && Math.abs(result.analytic - result.numeric) === result.absoluteError);
    t.match(
      formatGradcheck(result),
      /^derivative of order 1 is wrong in input 0, element \[1, 2\]: analytic \S+, numeric \S+ \(absolute error .*, relative error .*, 1e-7 is accepted\)\. rule: the differences agree .* \(1 of 6 elements are wrong\)$/,
    );
  }
  const second = (x: Tensor, y: Tensor) => add(x, wrong(y));
  t.match(gradcheck(second, [draw([2, 3], 1), draw([2, 3])]), { input: 1, element: 5 });
});

t.test("a factor and a sign that are missing", async (t) => {
  const half = gradcheck(
    mine(square, (grad, x) => mul(grad, x)),
    [draw([4])],
  );
  t.match(half.hint, { cause: "rule", text: /answers is 0\.5 times what it should be/ });
  const sign = gradcheck(
    mine(cos, (grad, x) => mul(grad, sin(x))),
    [draw([4])],
  );
  t.match(sign.hint, { cause: "rule", text: /\(4 of 4 elements are wrong\); .* is -1 times what it should be/ });
});

t.test("large inputs: the direction alone, without a search", async (t) => {
  const result = gradcheck(
    mine(square, (grad, x) => mul(grad, x)),
    [draw([3000])],
  );
  t.match(result, { ok: false, input: null, element: null, where: "a random direction", hint: { cause: "rule" } });
});

/** The hint for a broken function, in both modes. */
function hints(
  t: Test,
  cause: string,
  text: RegExp,
  f: (x: Tensor) => Tensor,
  x: Tensor,
  options: GradcheckOptions = {},
) {
  for (const mode of ["random", "full"] as const) {
    const result = gradcheck(f, [x], { ...options, mode });
    t.match(result, { ok: false, hint: { cause, text } }, `${mode}: ${formatGradcheck(result)}`);
  }
}

t.test("hint: a kink, at the point and beside it; a jump", async (t) => {
  const relu = mine(
    (x) => where(greater(x, 0), x, 0),
    (grad, x) => where(greater(x, 0), grad, 0),
  );
  hints(t, "kink", /f has a kink at the point: its slope is .* on the left and .* on the right/, relu, vector(0));
  hints(t, "kink", /f has a kink about 0\.003 beside it/, relu, vector(0.003), { step: 2e-3 });
  t.ok(gradcheck(relu, [vector(0.003)], { step: 2e-4 }).ok, "as it says, a smaller step does not reach it");
  const step = mine(
    (x) => where(greater(x, 0), add(x, 1), x),
    (grad) => grad,
  );
  hints(t, "jump", /f jumps at the point/, (x) => mul(step(x), 1), vector(0));
});

t.test("hint: a function that does not repeat itself", async (t) => {
  const rng = new Rng(1);
  hints(
    t,
    "nonDeterministic",
    /f at the same point answers .* and then .*draw/,
    (x) => dropout(x, 0.5, rng),
    ones([20], exact),
  );
  t.ok(gradcheck((x) => dropout(x, 0.5, new Rng(1)), [ones([20], exact)]).ok, "with its own stream it does");
  let calls = 0;
  const drifting = mine(
    (x) => mul(x, 1 + 1e-3 * calls++),
    (grad) => grad,
  );
  hints(t, "nonDeterministic", /same point/, drifting, vector(1));
});

t.test("hint: a gradient of a wrong shape, a pull-back that throws", async (t) => {
  hints(
    t,
    "shape",
    /the pull-back throws: mine: the gradient of input 0 .*: \[\] and \[2\]/,
    mine(exp, (grad) => sum(grad)),
    vector(1, 2),
  );
  hints(
    t,
    "shape",
    /the pull-back throws: mul: axis 0/,
    mine(exp, (grad) => mul(grad, vector(1, 2, 3))),
    vector(1, 2),
  );
  const broken = mine(exp, () => {
    throw new RangeError("not written yet");
  });
  hints(t, "pullBack", /the pull-back throws: not written yet/, broken, vector(1, 2));
  const result = gradcheck(broken, [vector(1)]);
  t.match(formatGradcheck(result), /order 1 is wrong in the first pull-back: analytic NaN/);
  t.match(gradgradcheck(broken, [vector(1)]), { ok: false, order: 2, hint: { cause: "pullBack" } });
});

t.test("hint: a detached graph", async (t) => {
  hints(t, "detached", /the result has no history, though f changes with it/, (x) => exp(detach(x)), vector(1, 2));
  hints(
    t,
    "detached",
    /the result has no history/,
    (x) => fromArray(x.dataSync().map(Math.exp), x.shape, exact),
    vector(1),
  );
  const half = (x: Tensor, y: Tensor) => mul(x, detach(y));
  for (const mode of ["random", "full"] as const)
    t.match(gradcheck(half, [vector(1, 2), vector(3, 4)], { mode }).hint, {
      cause: "detached",
      text: /the gradient of input 1 is 0 everywhere, though f changes/,
    });
  const large = gradcheck(half, [draw([2000], 1), draw([2000], 2)]);
  t.match(large.hint, { cause: "detached", text: /input 1/ }, "without a search too");
  t.match(gradcheck((x: Tensor) => add(mul(x, 2), variable(x)), [draw([3])]).hint, { cause: "rule" }, "a part of it");
  t.ok(gradcheck((x: Tensor, y: Tensor) => add(x, sum(mul(y, 0))), [draw([2]), draw([2])]).ok, "0 may be right");
  t.ok(gradcheck((x: Tensor) => mul(ones(x.shape, exact), 3), [draw([2])]).ok, "a constant has no gradient");
});

t.test("hint: values that are not finite", async (t) => {
  hints(t, "nonFinite", /f itself is NaN at element \[1\] of its result/, log, vector(1, -1));
  hints(t, "nonFinite", /f is finite, but its gradient is -?Infinity at input 0, element \[1\]/, sqrt, vector(1, 0));
  hints(t, "nonFinite", /finite at the point but not around it/, sqrt, vector(1, 5e-4));
  t.ok(gradcheck(sqrt, [vector(1, 1e-2)], { step: 1e-5, tolerance: 1e-5 }).ok);
  const alternating = (x: Tensor) => log(x);
  t.notOk(gradcheck(alternating, [vector(-1)], { directions: 5, order: 2 }).ok, "NaN is never forgotten");
});

t.test("hint: the step is too large, or too small", async (t) => {
  const steep = (x: Tensor) => sin(mul(x, 1000));
  hints(
    t,
    "step",
    /a step of 0\.0005 is too large here: with \{ step: \S+ \} the relative error is/,
    steep,
    vector(0.3),
  );
  t.ok(gradcheck(steep, [vector(0.3)], { step: 1e-5 }).ok);
  hints(t, "step", /a step of 1e-12 is too small here/, exp, vector(1.3), { step: 1e-12 });
});

t.test("second order: a rule that is right, but not differentiable", async (t) => {
  // x̄ = ȳ · eˣ with eˣ read from outside of the graph: right once, constant when differentiated again.
  const frozen = mine(exp, (grad, x) => mul(grad, fromArray(x.dataSync().map(Math.exp), x.shape, exact)));
  const x = draw([3]);
  t.ok(gradcheck(frozen, [x]).ok);
  for (const result of [
    gradcheck(frozen, [x], { order: 2 }),
    gradgradcheck(frozen, [x]),
    gradgradcheck(frozen, [x], { mode: "full" }),
  ])
    t.match(result, {
      ok: false,
      order: 2,
      input: 0,
      hint: { cause: "detached", text: /gradient of input 0 is 0 everywhere, though the pull-back changes/ },
    });

  // A pull-back that is not linear in the seed: the derivative with respect to the seed is wrong as soon as it is detached.
  const clipped = mine(neg, (grad) => neg(where(greater(grad, 0), grad, detach(grad))));
  t.match(gradgradcheck(clipped, [draw([6])], { mode: "full" }), {
    ok: false,
    input: 1,
    where: /^the seed, element \[\d\]$/,
    hint: { cause: "rule" },
  });
});

t.test("what is refused", async (t) => {
  t.throws(() => gradcheck(exp, [tensor([1], { device: "cpu" })]), {
    name: "DTypeError",
    message: /input 0 is float32; differences need float64/,
  });
  t.throws(() => gradcheck((x: Tensor) => greater(x, 0), [draw([1])]), {
    message: /f answers int32; differences need/,
  });
  t.throws(() => gradcheck(() => vector(1), [ints([1])]), { message: /there is no float64 input to move/ });
  t.throws(() => gradcheck(exp, [draw([1])], { directions: 0 }), { message: /0 directions check nothing/ });
  t.throws(
    () =>
      gradcheck(() => {
        throw new RangeError("mine alone");
      }, [draw([1])]),
    { message: /^mine alone$/ },
    "f's own error",
  );
});

t.test("checkGrads asserts the same, to second order, with the sentence as its message", async (t) => {
  const seen: [unknown, string][] = [];
  const asserter = { ok: (value: unknown, message: string) => seen.push([value, message]) };
  checkGrads(asserter, sin, [draw([2])]);
  checkGrads(
    asserter,
    mine(sin, (grad, x) => mul(div(grad, 2), cos(x))),
    [draw([2])],
  );
  t.match(seen, [
    [true, /^derivative of order \d: analytic/],
    [false, /^derivative of order 1 is wrong in input 0.*0\.5 times what it should be$/],
  ]);
});
