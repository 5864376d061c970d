import t from "tap";
import { anomaly } from "../../src/autograd/anomaly.ts";
import { checkpoint } from "../../src/autograd/checkpoint.ts";
import { defineFunction } from "../../src/autograd/define-function.ts";
import { dropout } from "../../src/autograd/functions/dropout.ts";
import { backward, grad } from "../../src/autograd/grad.ts";
import { checkGrads } from "../../src/autograd/gradcheck.ts";
import { Parameter, variable } from "../../src/autograd/graph.ts";
import { add, div, mul, square } from "../../src/autograd/ops/arithmetic.ts";
import { gather, scatterAdd } from "../../src/autograd/ops/indexing.ts";
import { sum } from "../../src/autograd/ops/reduce.ts";
import { greater, where } from "../../src/autograd/ops/select.ts";
import { exp, tanh } from "../../src/autograd/ops/transcendental.ts";
import { fromArray, ones, tensor, zeros } from "../../src/tensor/create.ts";
import { Rng } from "../../src/tensor/rng.ts";
import { scope } from "../../src/tensor/scope.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { draw, exact, ints, values } from "../support.ts";

const cube = defineFunction({
  name: "cube",
  forward: (x: Tensor) => mul(x, square(x)),
  pullBack: ({ grad, inputs: [x] }) => [mul(grad, mul(square(x), 3))],
});

t.test("a function of one's own: value, derivatives of every order, one node", async (t) => {
  const x = variable(tensor(2, exact));
  const y = cube(x);
  t.equal(y.item(), 8);
  t.match(y.origin, { operation: "cube", inputs: [x] });
  t.equal(grad(grad(grad(cube)))(tensor(2, exact)).item(), 6);
  checkGrads(t, cube, [draw([3])]);
  t.equal(cube(tensor(2, exact)).origin, null, "constants make no graph");
});

t.test("what forward saves: also differentiable, with a lazy and an absent gradient", async (t) => {
  let runs = 0;
  const expTimes = defineFunction({
    name: "expTimes",
    forward(x: Tensor, y: Tensor, rows: Tensor) {
      runs++;
      const e = exp(x);
      return { out: mul(gather(e, rows), y), saved: { e, count: x.shape[0]! } };
    },
    pullBack: ({ grad, inputs: [, y, rows], saved: { e, count } }) => [
      mul(scatterAdd(mul(grad, y), rows, count), e),
      () => mul(grad, gather(e, rows)),
      null,
    ],
  });
  const rows = ints([1, 0, 1]);
  checkGrads(t, (x: Tensor, y: Tensor) => expTimes(x, y, rows), [draw([2], "x"), draw([3], "y")]);

  runs = 0;
  const x = variable(draw([2]));
  grad(sum(expTimes(x, ones([3], exact), rows)), [x]);
  t.equal(runs, 1, "a first derivative uses what was saved");
  grad(sum(expTimes(x, ones([3], exact), rows)), [x], { createGraph: true });
  t.equal(runs, 3, "where it is recorded, forward runs again with a graph");
});

t.test("what was saved lives as long as the graph", async (t) => {
  let saved: Tensor | undefined;
  const constant = draw([2]);
  const f = defineFunction({
    name: "f",
    forward(x: Tensor) {
      saved = exp(x);
      return { out: mul(saved, constant), saved: [saved, constant] };
    },
    pullBack: ({ grad, saved: [e, c] }) => [mul(grad, mul(e!, c!))],
  });
  scope(() => {
    const x = variable(draw([2], 1));
    const y = sum(f(x));
    t.notOk(saved!.isReleased);
    grad(y, [x], { retainGraph: true });
    t.notOk(saved!.isReleased, "it is needed again");
    grad(y, [x]);
    t.ok(saved!.isReleased);
    t.notOk(constant.isReleased, "what was made outside is somebody else's");
    f(draw([2]));
    t.ok(saved!.isReleased, "no graph, nothing to keep");
  });
});

t.test("random draws are the same when forward runs again", async (t) => {
  const rng = new Rng("noise");
  const noisy = defineFunction({
    name: "noisy",
    forward(x: Tensor) {
      const mask = dropout(ones(x.shape, exact), 0.5, rng);
      const e = mul(exp(x), mask);
      return { out: e, saved: e };
    },
    pullBack: ({ grad, saved }) => [mul(grad, saved)],
  });
  const x = variable(draw([50]));
  const y = noisy(x);
  const [first] = grad(sum(y), [x], { createGraph: true });
  t.same(values(first!), values(y));
  t.same(values(grad(sum(first!), [x])[0]!), values(y), "(e ∘ mask)″ = e ∘ mask");
});

t.test("the pull-back may differ from the derivative: straight-through estimation", async (t) => {
  const step = defineFunction({
    name: "step",
    forward: (x: Tensor) => where(greater(x, 0), ones(x.shape, exact), 0),
    pullBack: ({ grad }) => [grad],
  });
  const x = variable(tensor([-1, 2], exact));
  const y = step(x);
  t.same(values(y), [0, 1]);
  t.same(values(grad(sum(mul(y, tensor([3, 4], exact))), [x])[0]!), [3, 4]);
});

t.test("the same tensor twice, a result that is an input, a Parameter, inside a checkpoint", async (t) => {
  const product = defineFunction({
    name: "product",
    forward: (a: Tensor, b: Tensor) => mul(a, b),
    pullBack: ({ grad, inputs: [a, b] }) => [mul(grad, b), mul(grad, a)],
  });
  const x = variable(tensor(3, exact));
  t.equal(grad(product(x, x), [x])[0]!.item(), 6);
  const same = defineFunction({ forward: (x: Tensor) => x, pullBack: ({ grad }) => [mul(grad, 2)] });
  t.equal(grad(same(x), [x])[0]!.item(), 2);
  t.equal(x.item(), 3, "the input stays");
  const w = new Parameter(tensor(2, exact));
  backward(checkpoint((x: Tensor) => tanh(cube(product(x, w.value))), x));
  const expected = grad((w: Tensor) => tanh(cube(mul(w, x))))(tensor(2, exact)).item();
  t.ok(Math.abs(w.grad!.item() - expected) < 1e-15);
});

t.test("a gradient that is somebody else's tensor stays theirs", async (t) => {
  const constant = draw([2], "c");
  const f = defineFunction({ name: "f", forward: (x: Tensor) => mul(x, constant), pullBack: () => [constant] });
  const x = variable(draw([2]));
  const [first] = grad(sum(add(f(x), f(x))), [x]);
  t.same(values(first!), values(mul(constant, 2)));
  grad(sum(exp(f(mul(x, 2)))), [x]);
  t.notOk(constant.isReleased);
});

t.test("the search for NaN names the function, forward and backward", async (t) => {
  const host = defineFunction({
    name: "host",
    forward: (x: Tensor) => fromArray(x.dataSync().map(Math.log), x.shape, exact),
    pullBack: ({ grad, inputs: [x] }) => [div(grad, x)],
  });
  t.throws(() => anomaly(() => host(tensor([-1], exact))), { name: "AnomalyError", message: /^host: 1 of 1 values/ });
  const x = variable(tensor([1e-300], exact));
  const y = mul(host(x), 1e300);
  t.throws(() => anomaly(() => grad(sum(y), [x])), { name: "AnomalyError", message: /in the pull-back of host/ });
});

t.test("errors name the function", async (t) => {
  const x = variable(draw([2]));
  const y = variable(draw([2], 1));
  const with_ = (pullBack: (grad: Tensor) => unknown) =>
    defineFunction({
      name: "mine",
      forward: (x: Tensor, y: Tensor) => add(x, y),
      pullBack: ({ grad }) => pullBack(grad) as Tensor[],
    });
  const pull = (answer: (grad: Tensor) => unknown) => () => grad(sum(with_(answer)(x, y)), [x, y]);
  t.throws(
    pull((g) => [g]),
    { name: "GradientError", message: /mine: the pull-back answers 1 gradients for 2 inputs/ },
  );
  t.throws(
    pull((g) => g),
    { name: "GradientError", message: /mine: pullBack answers no list/ },
  );
  t.throws(
    pull((g) => [g, sum(g)]),
    { name: "ShapeError", message: /mine: the gradient of input 1 does not have the input's shape: \[\] and \[2\]/ },
  );
  t.throws(
    pull((g) => [g, undefined]),
    { name: "GradientError", message: /mine: pullBack answers undefined for input 1/ },
  );
  t.throws(
    pull((g) => [g, zeros([2], { dtype: "float32", device: "cpu" })]),
    { name: "DTypeError", message: /mine: the gradient of input 1 is float32, the input is float64/ },
  );
  const indexed = defineFunction({
    name: "indexed",
    forward: (x: Tensor, i: Tensor) => gather(x, i),
    pullBack: ({ grad, inputs: [, i] }) => [scatterAdd(grad, i, 2), grad],
  });
  t.throws(() => grad(sum(indexed(x, ints([0, 1]))), [x]), {
    name: "GradientError",
    message: /indexed: pullBack answers a gradient for input 1, which is int32; answer null/,
  });
  const nothing = defineFunction({ forward: (_x: Tensor) => undefined as unknown as Tensor, pullBack: () => [] });
  t.throws(() => nothing(x), { message: /custom function: the function answers undefined, not one tensor/ });
  const host = defineFunction({
    name: "host",
    forward: (x: Tensor) => fromArray(x.dataSync().map(Math.cbrt), x.shape, exact),
    pullBack: () => {
      throw new RangeError("no derivative yet");
    },
  });
  t.same(values(host(tensor([8], exact))), [2]);
  t.throws(() => grad(sum(host(x)), [x]), { message: /no derivative yet/ });
});
