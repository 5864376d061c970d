import t from "tap";
import { backward, grad } from "../../src/autograd/grad.ts";
import { noGrad, Parameter, variable } from "../../src/autograd/graph.ts";
import { onGrad } from "../../src/autograd/hooks.ts";
import { add, mul, square } from "../../src/autograd/ops/arithmetic.ts";
import { sum } from "../../src/autograd/ops/reduce.ts";
import { exp } from "../../src/autograd/ops/transcendental.ts";
import { tensor } from "../../src/tensor/create.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { draw, exact, values } from "../support.ts";

const scalar = (value: number) => tensor(value, exact);

t.test("a hook sees the complete gradient, once", async (t) => {
  const x = variable(scalar(3));
  const y = mul(x, 2);
  const seen: number[] = [];
  const remove = onGrad(y, (g) => {
    seen.push(g.item());
  });
  onGrad(x, (g) => {
    seen.push(g.item());
  });
  const z = add(mul(y, y), y); // ∂z/∂y = 2 y + 1 in three shares
  t.equal(grad(z, [x], { retainGraph: true })[0]!.item(), 26);
  t.same(seen, [13, 26]);
  remove();
  grad(z, [x]);
  t.same(seen, [13, 26, 26]);
});

t.test("a hook may replace the gradient; several run in order", async (t) => {
  const x = variable(scalar(3));
  const y = square(x);
  onGrad(y, (g) => mul(g, 10));
  const remove = onGrad(y, (g) => add(g, 1));
  t.equal(grad(y, [x], { retainGraph: true })[0]!.item(), 66);
  t.equal(grad(y, [y, x], { retainGraph: true })[0]!.item(), 11, "also where the tensor itself is asked for");
  remove();
  remove();
  t.equal(grad(y, [x])[0]!.item(), 60);
  const constant = scalar(0);
  const w = variable(scalar(1));
  onGrad(w, () => constant);
  t.equal(grad(exp(w), [w])[0]!.item(), 0);
  t.notOk(constant.isReleased, "the answer stays its owner's");
});

t.test("a gradient that is kept can be read afterwards", async (t) => {
  const w = new Parameter(scalar(0.5));
  const h = exp(w.value);
  const seen: Tensor[] = [];
  onGrad(h, (g) => {
    seen.push(g.keep());
  });
  backward(mul(h, h));
  t.equal(seen[0]!.item(), 2 * Math.exp(0.5));
});

t.test("of a Parameter: before its grad is added to, whatever its value", async (t) => {
  const w = new Parameter(tensor([3, 4], exact));
  const remove = onGrad(w, (g) => mul(g, 0.5));
  const loss = () => sum(square(w.value));
  backward(loss());
  backward(loss());
  t.same(values(w.grad!), [6, 8], "each of two gradients was halved");
  w.value = tensor([1, 1], exact);
  w.grad = null;
  backward(loss());
  t.same(values(w.grad!), [1, 1]);
  t.same(values(grad(loss(), [w.value])[0]!), [2, 2], "grad() answers values; it fills no parameter");
  remove();
  w.grad = null;
  backward(loss());
  t.same(values(w.grad!), [2, 2]);
});

t.test("under createGraph a hook's operations are differentiated too", async (t) => {
  const x = variable(scalar(3));
  const y = square(x);
  onGrad(y, (g) => mul(g, x)); // ∂/∂x becomes 2 x · x
  const [first] = grad(y, [x], { createGraph: true });
  t.equal(first!.item(), 18);
  t.equal(grad(first!, [x])[0]!.item(), 12);
  const w = new Parameter(scalar(2));
  onGrad(w, (g) => mul(g, w.value));
  backward(square(w.value), { createGraph: true });
  t.equal(w.grad!.item(), 8);
});

t.test("errors", async (t) => {
  t.throws(() => onGrad(draw([2]), (g) => g), { name: "GradientError", message: /onGrad: the result of randn has no/ });
  noGrad(() => t.doesNotThrow(() => onGrad(draw([2]), (g) => g)()));
  const x = variable(draw([2]));
  const remove = onGrad(x, (g) => sum(g));
  t.throws(() => grad(sum(exp(x)), [x]), { message: /onGrad: the hook's answer does not have .*: \[\] and \[2\]/ });
  remove();
  onGrad(x, () => tensor([1, 2], { device: "cpu" }));
  t.throws(() => grad(sum(exp(x)), [x]), { message: /onGrad: the hook answers float32 for a gradient of float64/ });
});
