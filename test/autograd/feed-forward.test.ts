import t, { type Test } from "tap";
import { type Affine, feedForward } from "../../src/autograd/functions/feed-forward.ts";
import { linear } from "../../src/autograd/functions/linear.ts";
import { linearGelu } from "../../src/autograd/functions/linear-gelu.ts";
import { toDevice } from "../../src/autograd/functions/to-device.ts";
import { grad } from "../../src/autograd/grad.ts";
import { variable } from "../../src/autograd/graph.ts";
import { add, square } from "../../src/autograd/ops/arithmetic.ts";
import { sum } from "../../src/autograd/ops/reduce.ts";
import { cast } from "../../src/autograd/ops/select.ts";
import { sin } from "../../src/autograd/ops/transcendental.ts";
import { Mlp } from "../../src/nn/mlp.ts";
import { getBackend } from "../../src/tensor/backend.ts";
import type { MetaBackend } from "../../src/tensor/backends/meta/index.ts";
import { ones } from "../../src/tensor/create.ts";
import { ShapeError } from "../../src/tensor/errors.ts";
import { Rng } from "../../src/tensor/rng.ts";
import { scope } from "../../src/tensor/scope.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { draw, values } from "../support.ts";

type Network = typeof feedForward;
/** What it is made of. */
const composed: Network = (x, expand, contract, residual) =>
  linear(linearGelu(x, expand.weight, expand.bias), contract.weight, contract.bias, residual);

const operands = [draw([2, 3, 4], 1), draw([9, 4], 2), draw([9], 3), draw([4, 9], 4), draw([4], 5), draw([2, 3, 4], 6)];
const onWasm = operands.map((x) => toDevice(cast(x, "float32"), "wasm"));

/** Σ sin of the network's results, as a function of all its operands. */
const loss =
  (network: Network) =>
  (...[x, weight, bias, back, backBias, residual]: readonly Tensor[]): Tensor => {
    const [expand, contract]: Affine[] = [
      { weight: weight!, bias: bias! },
      { weight: back!, bias: backBias! },
    ];
    return sum(sin(network(x!, expand!, contract!, residual)));
  };

/** Whether all cells are equal but for float32. */
function same(t: Test, found: readonly Tensor[], wanted: readonly Tensor[], what: string): void {
  t.equal(found.length, wanted.length);
  for (const [i, x] of found.entries()) {
    const expected = values(wanted[i]!);
    const worst = Math.max(...values(x).map((value, k) => Math.abs(value - expected[k]!)));
    t.ok(worst < 2e-4 * Math.max(1, ...expected.map(Math.abs)), `${what}, operand ${i}: ${worst}`);
  }
}

type GradOf = (...xs: readonly Tensor[]) => Tensor[];

t.test("on wasm: the gradients of its parts, to second order", async (t) => {
  const first = (network: Network) => grad(loss(network)) as unknown as GradOf;
  same(t, first(feedForward)(...onWasm), first(composed)(...operands), "gradient");

  const squares =
    (network: Network) =>
    (...xs: readonly Tensor[]) =>
      (grad(loss(network), { createGraph: true }) as unknown as GradOf)(...xs)
        .map((g) => sum(square(g)))
        .reduce((a, b) => add(a, b));
  const second = (network: Network) => grad(squares(network)) as unknown as GradOf;
  same(t, second(feedForward)(...onWasm), second(composed)(...operands), "gradient of gradients");
});

t.test("on wasm: any choice of operands, and none of the saved memory stays", async (t) => {
  const device = getBackend("wasm");
  const used = () => device.memory!().used;
  const expected = (grad(loss(composed)) as unknown as GradOf)(...operands);
  const before = used();
  for (const chosen of [[0], [1, 4], [2], [3, 5]])
    scope(() => {
      const xs = onWasm.map((x, i) => (chosen.includes(i) ? variable(x) : x));
      const wanted = chosen.map((i) => xs[i]!);
      const found = grad(loss(feedForward)(...xs), wanted);
      same(
        t,
        found,
        chosen.map((i) => expected[i]!),
        `operands ${chosen}`,
      );
    });
  t.equal(used(), before);
});

t.test(
  "kernels: one pass for GELU and its derivative, none for its pull-back, each gradient read once for two",
  async (t) => {
    const device = getBackend("meta") as MetaBackend;
    const [x, ...others] = [[7, 8], [32, 8], [32], [8, 32], [8]].map((shape) =>
      variable(ones(shape, { device: "meta" })),
    );
    device.reset();
    const [weight, bias, back, backBias] = others as [Tensor, Tensor, Tensor, Tensor];
    grad(sum(feedForward(x!, { weight, bias }, { weight: back, bias: backBias })), [x!, ...others]);
    const calls = Object.fromEntries([...device.costs].map(([kernel, cost]) => [kernel, cost.calls]));
    const { broadcastTo, sum: sums, ...products } = calls;
    t.same(products, { linearGeluSlopes: 1, linear: 1, matmulMul: 1, matmul: 1, linearGradients: 2 });
    t.same([broadcastTo, sums], [1, 1], "of the loss");
  },
);

t.test("Mlp: dropout between its layers is drawn where it is active", async (t) => {
  const layer = new Mlp(4, 8, { rng: new Rng(0), dropout: 0.5, device: "wasm" });
  const x = onWasm[0]!;
  const run = (seed?: number) => values(layer.forward(x, seed === undefined ? {} : { rng: new Rng(seed) }));
  t.same(run(), run());
  t.same(run(1), run(1));
  t.notSame(run(1), run(2));
  t.notSame(run(1), run());
});

t.test("wrong shapes are told by the layer they belong to", async (t) => {
  const [x, weight, bias, back, backBias] = onWasm as [Tensor, Tensor, Tensor, Tensor, Tensor];
  const expand = { weight: variable(weight), bias };
  t.throws(() => feedForward(x, { weight: variable(back), bias }, { weight: back, bias: backBias }), ShapeError);
  t.throws(() => feedForward(x, expand, { weight, bias: backBias }), ShapeError);
  t.throws(() => feedForward(x, expand, { weight: back, bias: backBias }, bias), ShapeError);
});
