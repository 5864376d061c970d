import t from "tap";
import { backward, grad } from "../../src/autograd/grad.ts";
import { sum } from "../../src/autograd/ops/reduce.ts";
import { Dropout } from "../../src/nn/dropout.ts";
import { Embedding } from "../../src/nn/embedding.ts";
import { LayerNorm } from "../../src/nn/layer-norm.ts";
import { Linear } from "../../src/nn/linear.ts";
import { Mlp } from "../../src/nn/mlp.ts";
import { type HostArray, Module } from "../../src/nn/module.ts";
import { MultiHeadSelfAttention } from "../../src/nn/multi-head-self-attention.ts";
import { Rng } from "../../src/tensor/rng.ts";
import { draw, exact, ints, values } from "../support.ts";

const options = (seed = 0) => ({ rng: new Rng(seed), ...exact });

class Pair extends Module {
  readonly first = new Linear(3, 2, options());
  readonly rest = [new LayerNorm(2, 1e-6, exact), new Linear(2, 3, { ...options(), sharedWeight: this.first.weight })];
  readonly label = "not a parameter";
}

t.test("a module names its parameters by the fields that lead to them, shared ones once", async (t) => {
  const pair = new Pair();
  t.same(
    [...pair.namedParameters().keys()],
    ["first.weight", "first.bias", "rest.0.weight", "rest.0.bias", "rest.1.bias"],
  );
  t.equal(pair.countParameters(), 6 + 2 + 2 + 2 + 3);
});

t.test("loadParameters replaces every value, or lists all that is wrong and changes nothing", async (t) => {
  const layer = new Linear(3, 2, options());
  const before = values(layer.weight.value);
  const load = (entries: Record<string, HostArray>) =>
    layer.loadParameters(new Map(Object.entries(entries)), "w.safetensors");
  const bias = { shape: [2], data: [7, 8] };
  t.throws(() => load({ wieght: { shape: [2, 3], data: [] }, bias: { shape: [3], data: [1, 2, 3] } }), {
    name: "DataError",
    message: "w.safetensors: missing weight [2, 3]; bias is [3], not [2]; unexpected wieght [2, 3]",
  });
  t.throws(() => load({ weight: { shape: [2, 3], data: [1, 2, Number.NaN, 4, 5, 6] }, bias }), {
    message: "w.safetensors: weight holds NaN at element 2",
  });
  t.same(values(layer.weight.value), before);
  load({ weight: { shape: [2, 3], data: Float32Array.of(1, 2, 3, 4, 5, 6) }, bias });
  t.same(values(layer.weight.value), [1, 2, 3, 4, 5, 6]);
  t.equal(layer.weight.value.dtype, "float64", "in the parameter's own dtype");
  t.same(values(layer.bias!.value), [7, 8]);
});

t.test("initialisers: fan-in for linear maps, 0.02 for tables, zeros without an rng", async (t) => {
  const deviation = (x: number[]) => Math.sqrt(x.reduce((sum, v) => sum + v * v, 0) / x.length);
  const spread = (layer: Linear | Embedding) => deviation(values(layer.weight.value));
  const fanIn = { ...options(), initializer: "fanIn" } as const;
  t.ok(Math.abs(spread(new Linear(64, 100, fanIn)) * 8 - 1) < 0.05);
  t.ok(Math.abs(spread(new Linear(64, 100, options())) / 0.02 - 1) < 0.05);
  t.ok(Math.abs(spread(new Embedding(100, 64, fanIn)) / 0.02 - 1) < 0.05);
  t.equal(spread(new Linear(4, 5, { rng: null, ...exact })), 0);
  t.same(values(new LayerNorm(2, 1e-6, exact).weight.value), [1, 1]);
  t.same(values(new Linear(4, 5, options(3)).weight.value), values(new Linear(4, 5, options(3)).weight.value));
});

t.test("an embedding's padding row keeps its values and gets no gradient", async (t) => {
  const ids = ints([2, 0, 2, 1]);
  const plain = new Embedding(3, 2, options());
  const padded = new Embedding(3, 2, { ...options(), paddingIndex: 0 });
  t.same(values(padded.forward(ids)), values(plain.forward(ids)));
  const gradOf = (embedding: Embedding) => values(grad(sum(embedding.forward(ids)), [embedding.weight.value])[0]!);
  t.same(gradOf(plain), [1, 1, 1, 1, 2, 2]);
  t.same(gradOf(padded), [0, 0, 1, 1, 2, 2]);
  t.same(values(plain.row(2)), values(plain.first(3)).slice(4));
  t.same(values(plain.first(2)), values(plain.weight.value).slice(0, 4));
});

t.test("dropout needs an rng: without one it is the identity, with one the residual is kept whole", async (t) => {
  const x = draw([50, 8]);
  t.equal(new Dropout(0.5).forward(x), x);
  const mlp = new Mlp(8, 16, { ...options(), dropout: 0.5 });
  for (const parameter of [mlp.contract.weight, mlp.contract.bias!])
    parameter.value = draw(parameter.shape, "contract");
  const evaluated = values(mlp.forward(x, { residual: x }));
  t.same(values(mlp.forward(x, { residual: x })), evaluated, "evaluation draws nothing");
  const trained = values(mlp.forward(x, { residual: x, rng: new Rng(1) }));
  t.same(values(mlp.forward(x, { residual: x, rng: new Rng(1) })), trained, "the same seed drops the same cells");
  const untouched = trained.filter((value, i) => value === values(x)[i]).length / trained.length;
  t.ok(Math.abs(untouched - 0.5) < 0.1, `half of the cells are the residual alone (${untouched})`);
});

t.test("attention: weights are rows of probabilities over real keys, and give the output", async (t) => {
  const attention = new MultiHeadSelfAttention(8, 2, options());
  const x = draw([2, 5, 8]);
  const mask = ints([1, 1, 1, 1, 1, 1, 1, 1, 0, 0], [2, 5]);
  const weights = values(attention.weights(x, mask));
  t.equal(weights.length, 2 * 2 * 5 * 5);
  for (let row = 0; row < 20; row++) {
    const keys = weights.slice(5 * row, 5 * row + 5);
    t.ok(Math.abs(keys.reduce((a, b) => a + b) - 1) < 1e-12);
    if (row >= 10) t.same(keys.slice(3), [0, 0]);
  }
  backward(sum(attention.forward(x, { mask })));
  t.ok(attention.parameters().every((parameter) => parameter.grad !== null));
  t.throws(() => new MultiHeadSelfAttention(8, 3, options()), {
    name: "ConfigError",
    message: /hiddenSize 8 is not a multiple of numHeads 3/,
  });
});
