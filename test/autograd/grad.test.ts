import t from "tap";
import { checkpoint } from "../../src/autograd/checkpoint.ts";
import { layerNorm } from "../../src/autograd/functions/layer-norm.ts";
import { linear } from "../../src/autograd/functions/linear.ts";
import { backward, grad, valueAndGrad } from "../../src/autograd/grad.ts";
import { checkGrads } from "../../src/autograd/gradcheck.ts";
import { detach, noGrad, Parameter, variable } from "../../src/autograd/graph.ts";
import { add, mul, neg, sub } from "../../src/autograd/ops/arithmetic.ts";
import { reshape } from "../../src/autograd/ops/layout.ts";
import { sum } from "../../src/autograd/ops/reduce.ts";
import { exp, sin, tanh } from "../../src/autograd/ops/transcendental.ts";
import { getBackend } from "../../src/tensor/backend.ts";
import type { MetaBackend } from "../../src/tensor/backends/meta/index.ts";
import { tensor } from "../../src/tensor/create.ts";
import "../../src/tensor/devices.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { draw, exact, values } from "../support.ts";

const scalar = (value: number) => tensor(value, exact);

t.test("grad: of a function, of a value, to any order", async (t) => {
  const cube = (x: Tensor) => mul(x, mul(x, x));
  t.same(values(grad(cube)(scalar(2))), [12]);
  t.same(values(grad(grad(cube))(scalar(2))), [12]);
  t.same(values(grad(grad(grad(cube)))(scalar(2))), [6]);
  const [dx, dy] = grad((x: Tensor, y: Tensor) => mul(x, exp(y)))(scalar(3), scalar(0)) as Tensor[];
  t.same([values(dx!), values(dy!)], [[1], [3]]);
  const { value, grads } = valueAndGrad(cube)(scalar(2));
  t.same([value.item(), grads[0]!.item()], [8, 12]);
});

t.test("grad: a tensor used twice, aliased inputs, an inner tensor", async (t) => {
  const x = variable(scalar(3));
  t.same(values(grad(add(mul(x, x), x), [x])[0]!), [7]);
  const y = mul(x, 2);
  const z = mul(y, y);
  t.same(
    grad(z, [x, y]).map((g) => g.item()),
    [24, 12],
  );
  checkGrads(t, (x: Tensor) => mul(tanh(x), sub(x, neg(x))), [draw([3])]);
});

t.test("grad: what cannot be differentiated is an error, not a zero", async (t) => {
  const x = variable(scalar(1));
  t.throws(() => grad(detach(mul(x, 2)), [x]), { message: /does not depend on input 0/ });
  t.same(values(grad(exp(variable(scalar(1))), [x], { allowUnused: true })[0]!), [0]);
  t.throws(() => grad(variable(draw([2])), [x]), { message: /more than one element/ });
  t.throws(() => backward(scalar(1)), { message: /depends on no parameter/ });
  t.throws(() => noGrad(async () => 1), { message: /asynchronous/ });
});

t.test("backward: fills and adds up the gradients of parameters", async (t) => {
  const w = new Parameter(scalar(3));
  backward(mul(w.value, w.value));
  t.equal(w.grad!.item(), 6);
  backward(mul(w.value, 2));
  t.equal(w.grad!.item(), 8);
  w.grad = null;
  t.equal(w.grad, null);
});

t.test("grad: one tensor passed twice, asked for twice, and a result that is an input", async (t) => {
  const f = (a: Tensor, b: Tensor) => mul(a, mul(b, b));
  const x = variable(scalar(3));
  t.same(
    (grad(f)(x, x) as Tensor[]).map((g) => g.item()),
    [9, 18],
    "the arguments of a function are independent, be they one tensor",
  );
  t.same(
    grad(f(x, x), [x, x]).map((g) => g.item()),
    [27, 27],
    "a tensor has one gradient",
  );
  t.equal(grad(x, [x])[0]!.item(), 1);
  checkGrads(t, (x: Tensor) => f(x, x), [draw([2])]);
});

t.test("grad: an inner tensor and what it came from, whichever is asked for first", async (t) => {
  const x = variable(scalar(2));
  const y = mul(x, x);
  const z = add(mul(y, y), x);
  for (const order of [
    [x, y],
    [y, x],
  ])
    t.same(
      new Map(grad(z, order, { retainGraph: true }).map((g, i) => [order[i], g.item()])),
      new Map([
        [x, 33],
        [y, 8],
      ]),
    );
});

t.test("backward: a parameter that the loss does not depend on is left alone", async (t) => {
  const [used, unused] = [new Parameter(scalar(1)), new Parameter(scalar(1))];
  mul(unused.value, 2);
  backward(mul(used.value, 5));
  t.equal(unused.grad, null);
  backward(mul(unused.value, 7));
  backward(mul(used.value, 5));
  t.same([used.grad!.item(), unused.grad!.item()], [10, 7]);
});

t.test("backward: one parameter in two places of a graph, and in two graphs", async (t) => {
  const w = new Parameter(scalar(3));
  const shared = mul(w.value, w.value);
  const [one, two] = [mul(shared, 2), mul(shared, 5)];
  backward(add(one, two), { retainGraph: true });
  t.equal(w.grad!.item(), 42);
  w.grad = null;
  backward(one);
  t.throws(() => backward(two), { message: /graph that computed mul was released by backward\(\)/ });
  t.equal(w.grad!.item(), 12, "an error adds nothing");
});

t.test("backward: a linear layer's share is added to the gradient in its product, not afterwards", async (t) => {
  const device = getBackend("meta") as MetaBackend;
  const runs = (on: string) => {
    const w = new Parameter(
      tensor(
        [
          [1, 2, 3],
          [4, 5, 6],
        ],
        { device: on },
      ),
    );
    const x = new Parameter(tensor([[1, -1, 2]], { device: on }));
    const loss = sum(mul(linear(x.value, w.value), linear(exp(x.value), w.value)));
    device.reset();
    backward(loss);
    return [w.grad!, x.grad!] as const;
  };
  runs("meta");
  t.equal(device.costs.get("matmulAdd")?.calls, 2, "the second shares of w and x");
  t.equal(device.costs.get("add"), undefined);
  for (const on of ["cpu", "wasm"]) {
    const [w, x] = runs(on);
    // d/dw of (w x)·(w e) = (w e) xᵀ + (w x) eᵀ
    const [a, e] = [[1, -1, 2], [1, -1, 2].map(Math.exp)];
    const rows = [
      [1, 2, 3],
      [4, 5, 6],
    ];
    const dot = (p: readonly number[], q: readonly number[]) => p.reduce((total, v, i) => total + v * q[i]!, 0);
    t.ok(
      values(w).every((v, n) => {
        const [row, j] = [rows[Math.floor(n / 3)]!, n % 3];
        return Math.abs(v - (dot(row, e) * a[j]! + dot(row, a) * e[j]!)) < 1e-4;
      }),
      on,
    );
    t.ok(
      values(x).every((v, j) => {
        const wanted = rows.reduce((total, row) => total + row[j]! * dot(row, e) + dot(row, a) * row[j]! * e[j]!, 0);
        return Math.abs(v - wanted) < 1e-3;
      }),
      on,
    );
  }
});

t.test("backward: a normalization's share is added to the gradient in its pass, not afterwards", async (t) => {
  const device = getBackend("meta") as MetaBackend;
  const parameters = (on: string) => {
    const x = tensor(
      [
        [1, 2, 4],
        [0, 3, -1],
      ],
      { device: on },
    );
    return [x, tensor([1, 2, 3], { device: on }), tensor([0, 1, 0], { device: on })].map((v) => new Parameter(v));
  };
  const loss = ([x, w, b]: Parameter[]) => sum(mul(x!.value, layerNorm(x!.value, w!.value, b!.value, 1e-3)));
  const lossOn = loss(parameters("meta"));
  device.reset();
  backward(lossOn);
  t.equal(device.costs.get("layerNormGradients")?.calls, 1);
  t.equal(device.costs.get("add"), undefined);
  for (const on of ["cpu", "wasm"]) {
    const ours = parameters(on);
    backward(loss(ours));
    // With a graph, shares are added afterwards.
    const [apart] = grad(loss(ours), [ours[0]!.value], { createGraph: true }) as [Tensor];
    const together = values(ours[0]!.grad!);
    t.ok(
      values(apart).every((v, i) => Math.abs(v - together[i]!) < 1e-5 * (1 + Math.abs(v))),
      on,
    );
  }
});

t.test("backward: gives back the intermediates, and says so", async (t) => {
  const w = new Parameter(scalar(0.5));
  const inner = exp(w.value);
  const kept = sin(inner).keep();
  const loss = mul(kept, inner);
  backward(loss);
  t.ok(Number.isFinite(loss.item()), "the root stays");
  t.ok(Number.isFinite(kept.item()), "what was kept stays");
  t.throws(() => inner.dataSync(), { message: /result of exp .*released by backward\(\); keep\(\)/ });
  t.throws(() => backward(loss), {
    message: /graph that computed mul was released by backward\(\); pass \{ retainGraph: true \}/,
  });
  t.throws(() => backward(mul(kept, 2)), { message: /graph that computed sin was released/ });

  const again = mul(exp(w.value), 2);
  w.grad = null;
  backward(again, { retainGraph: true });
  const once = w.grad!.item();
  backward(again);
  t.equal(w.grad!.item(), 2 * once);
});

t.test("noGrad: records nothing and gives back all but the result", async (t) => {
  const w = new Parameter(scalar(2));
  let inner: Tensor | undefined;
  const out = noGrad(() => {
    inner = mul(w.value, 3);
    return { y: mul(inner, 2) };
  });
  t.equal(out.y.item(), 12);
  t.throws(() => inner!.item(), { message: /released by noGrad\(\)/ });
  t.throws(() => backward(out.y), { message: /depends on no parameter/ });
});

t.test("a chain of 100,000 operations needs no stack: once, differentiated again, and as one checkpoint", async (t) => {
  const depth = 100_000;
  const chain = (x: Tensor) => {
    let y = x;
    for (let i = 0; i < depth; i++) y = i % 2 === 0 ? neg(y) : reshape(y, []);
    return mul(y, y);
  };
  const w = new Parameter(scalar(3));
  backward(sum(chain(w.value)));
  t.equal(w.grad!.item(), 6);
  const [first] = grad(chain(w.value), [w.value], { createGraph: true });
  t.equal(grad(first!, [w.value])[0]!.item(), 2);
  w.grad = null;
  backward(checkpoint(chain, w.value));
  t.equal(w.grad!.item(), 6);
});
