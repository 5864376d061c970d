import t from "tap";
import { checkFused } from "../../src/autograd/check-fused.ts";
import { attention, attentionFused, attentionWeights } from "../../src/autograd/functions/attention.ts";
import { binaryCrossEntropyWithLogits } from "../../src/autograd/functions/binary-cross-entropy.ts";
import { cosineDistance } from "../../src/autograd/functions/cosine-distance.ts";
import { crossEntropy, crossEntropyFused } from "../../src/autograd/functions/cross-entropy.ts";
import { dropout } from "../../src/autograd/functions/dropout.ts";
import { geluFused } from "../../src/autograd/functions/gelu.ts";
import { ipot } from "../../src/autograd/functions/ipot.ts";
import { layerNormFused } from "../../src/autograd/functions/layer-norm.ts";
import { linear, linearFused } from "../../src/autograd/functions/linear.ts";
import { linearGeluFused } from "../../src/autograd/functions/linear-gelu.ts";
import { logSoftmax, logSoftmaxFused } from "../../src/autograd/functions/log-softmax.ts";
import { mean } from "../../src/autograd/functions/mean.ts";
import { softmax, softmaxFused } from "../../src/autograd/functions/softmax.ts";
import { variance } from "../../src/autograd/functions/variance.ts";
import { grad } from "../../src/autograd/grad.ts";
import { checkGrads } from "../../src/autograd/gradcheck.ts";
import { variable } from "../../src/autograd/graph.ts";
import { sum } from "../../src/autograd/ops/reduce.ts";
import { cast } from "../../src/autograd/ops/select.ts";
import { fromArray, ones, tensor, uniform } from "../../src/tensor/create.ts";
import { Rng } from "../../src/tensor/rng.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { marginalErrors } from "../../src/vilt/objectives/word-patch-alignment.ts";
import { draw, exact, ints, values } from "../support.ts";

t.test("fused functions: closed forms equal the definitions, to second order", async (t) => {
  checkFused(t, softmaxFused, [draw([3, 5])], {});
  checkFused(t, logSoftmaxFused, [draw([3, 5])], {});
  checkFused(t, geluFused, [draw([3, 5])], {});
  checkFused(t, layerNormFused, [draw([2, 3, 4], 1), draw([4], 2), draw([4], 3)], { eps: 1e-6 });
  const [x, weight, bias, residual] = [draw([2, 3, 4], 1), draw([5, 4], 2), draw([5], 3), draw([2, 3, 5], 4)];
  checkFused(t, linearFused, [x, weight], { hasBias: false, hasResidual: false });
  checkFused(t, linearFused, [x, weight, bias, residual], { hasBias: true, hasResidual: true });
  checkFused(t, linearGeluFused, [x, weight, bias], { hasBias: true });
  checkFused(t, crossEntropyFused, [draw([4, 3]), ints([2, -100, 0, 1])], {});
  checkFused(t, attentionFused, [draw([2, 3, 12])], { numHeads: 2, hasMask: false, queries: 3 });
  const attended = [draw([2, 3, 12]), ints([1, 1, 0, 1, 0, 0], [2, 3])];
  for (const queries of [3, 2, 1]) checkFused(t, attentionFused, attended, { numHeads: 2, hasMask: true, queries });
});

t.test("functions: derivatives to second order", async (t) => {
  const x = draw([2, 3]);
  checkGrads(t, (x: Tensor) => mean(x, 1), [x]);
  checkGrads(t, (x: Tensor) => variance(x, 0), [x]);
  checkGrads(t, (x: Tensor) => softmax(x, 0), [x]);
  checkGrads(t, (x: Tensor) => logSoftmax(x, 0), [x]);
  checkGrads(t, (a: Tensor, b: Tensor) => binaryCrossEntropyWithLogits(a, b), [x, draw([2, 3], 1)]);
  checkGrads(t, cosineDistance, [draw([2, 3, 4], 1), draw([2, 5, 4], 2)]);
  checkGrads(t, (x: Tensor) => dropout(x, 0.4, new Rng(1)), [x]);
  checkGrads(t, (qkv: Tensor) => attentionWeights(qkv, 2, ints([1, 0, 1], [1, 3])), [draw([1, 3, 12])]);
});

t.test("cross-entropy: ignored rows, no row at all, one class", async (t) => {
  const logits = variable(draw([3, 4]));
  const loss = crossEntropy(logits, ints([-100, -100, -100]));
  t.equal(loss.item(), 0);
  t.ok(values(grad(loss, [logits])[0]!).every((g) => g === 0));
  t.equal(crossEntropy(draw([2, 1]), ints([0, 0])).item(), 0);
});

t.test("attention: masked keys get nothing, a row without keys is 0, weights add up to 1", async (t) => {
  const qkv = draw([2, 3, 12]);
  const mask = ints([1, 1, 0, 0, 0, 0], [2, 3]);
  const weights = attentionWeights(qkv, 2, mask);
  t.same(
    values(sum(weights, -1)).map((s) => Math.round(s * 1e12) / 1e12),
    [1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0],
  );
  t.ok(
    values(attention(qkv, 2, mask))
      .slice(12)
      .every((v) => v === 0),
  );
  const changed = qkv.dataSync();
  for (let i = 2 * 12 + 4; i < 3 * 12; i++) changed[i] = 1e3; // key and value of the masked token
  const other = attention(fromArray(changed, [2, 3, 12], exact), 2, mask);
  t.same(values(other).slice(0, 8), values(attention(qkv, 2, mask)).slice(0, 8), "a masked token changes no other");
});

t.test("softmax: large logits, −∞, and a named axis", async (t) => {
  t.same(values(softmax(tensor([1000, 1000, Number.NEGATIVE_INFINITY], exact))), [0.5, 0.5, 0]);
  t.throws(() => softmax(fromArray([], [2, 0], exact)), { message: /softmax: axis -1 is empty: \[2, 0\]/ });
});

t.test("ipot in logarithms: the same plan, and one where the exponentials of a small β vanish", async (t) => {
  const rng = new Rng("ipot");
  const wordMask = ints([1, 1, 1, 0, 1, 1, 1, 1, 0, 0, 0, 0], [3, 4]);
  const patchMask = ints([0, 1, 1, 1, 1, 1, 1, 1, 1, 0, 1, 1, 1, 1, 1], [3, 5]);
  const cost = uniform([3, 4, 5], rng, exact);
  for (const [beta, iterations] of [
    [0.5, 50],
    [0.1, 1000],
  ] as const) {
    const [plain, log] = (["plain", "log"] as const).map((domain) =>
      values(ipot(cost, wordMask, patchMask, { beta, iterations, domain })),
    ) as [number[], number[]];
    t.ok(
      plain.every((value, i) => Math.abs(value - log[i]!) < 1e-9),
      `β ${beta}`,
    );
  }
  const single = cast(cost, "float32");
  const small = { beta: 0.002, iterations: 200 };
  const errorsOf = (plan: Tensor) => {
    const { words, patches } = marginalErrors(plan, { words: wordMask, patches: patchMask });
    return { words: Math.max(...values(words).slice(0, 2)), patches: Math.max(...values(patches).slice(0, 2)) };
  };
  const inLogarithms = ipot(single, wordMask, patchMask, { ...small, domain: "log" });
  const [now, before] = [small.iterations, 5].map((iterations) =>
    errorsOf(ipot(single, wordMask, patchMask, { beta: small.beta, iterations, domain: "log" })),
  ) as [ReturnType<typeof errorsOf>, ReturnType<typeof errorsOf>];
  t.ok(now.words < 1e-5, "the words' sums are exact: they are scaled last");
  t.ok(now.patches < before.patches && now.patches < 0.2, "those of the patches get better");
  t.ok(errorsOf(ipot(single, wordMask, patchMask, small)).words > 0.1, "plain, the exponentials vanish");
  t.ok(
    values(inLogarithms)
      .slice(40)
      .every((value) => value === 0),
    "no words, no mass",
  );
});

t.test("ipot: the fixture of the specification, marginals, and padding", async (t) => {
  const cost = tensor(
    [
      [
        [0.1, 0.9, 0.5],
        [0.8, 0.2, 0.6],
      ],
    ],
    exact,
  );
  const [words, patches] = [ints([1, 1], [1, 2]), ints([1, 1, 1], [1, 3])];
  const distance = (plan: Tensor) => {
    const [c, p] = [values(cost), values(plan)];
    return c.reduce((total, value, k) => total + value * p[(k % 3) * 2 + Math.floor(k / 3)]!, 0);
  };
  for (const [iterations, expected] of [
    [1, 0.375016],
    [5, 0.283868],
    [50, 0.283333],
  ] as const)
    t.ok(Math.abs(distance(ipot(cost, words, patches, { iterations })) - expected) < 1e-6, `${iterations} iterations`);
  const plan = values(ipot(cost, words, patches));
  t.ok(Math.abs(plan.reduce((a, b) => a + b) - 1) < 1e-12);
  const padded = ipot(
    tensor(
      [
        [
          [0.1, 0.9, 0.5, 7],
          [0.8, 0.2, 0.6, -3],
          [9, 9, 9, 9],
        ],
      ],
      exact,
    ),
    ints([1, 1, 0], [1, 3]),
    ints([1, 1, 1, 0], [1, 4]),
  );
  const inside = values(padded).filter((_, i) => i % 3 < 2 && i < 9);
  t.ok(
    inside.every((v, i) => Math.abs(v - plan[i]!) < 1e-12),
    "padding changes nothing",
  );
  t.same(values(sum(ipot(cost, ints([0, 0], [1, 2]), patches))), [0], "no word, no mass");
});

t.test("dropout: the identity without a stream; the expected share and scale with one", async (t) => {
  const x = ones([10_000], exact);
  t.equal(dropout(x, 0.5), x);
  const dropped = values(dropout(x, 0.25, new Rng(3)));
  t.ok(dropped.every((v) => v === 0 || Math.abs(v - 4 / 3) < 1e-15));
  t.ok(Math.abs(dropped.filter((v) => v === 0).length / 10_000 - 0.25) < 0.02);
  t.throws(() => dropout(x, 1, new Rng(1)), { message: /probability of 1/ });
});

t.test("checkFused finds a wrong closed form", async (t) => {
  const wrong = { ...geluFused, vjp: ({ grad }: { grad: Tensor }) => [() => grad] };
  const verdicts: unknown[] = [];
  checkFused({ ok: (value) => verdicts.push(value) }, wrong, [draw([2])], {});
  t.same(verdicts, [true, false, false], "the value is right, the gradient is not, and differences say so too");
});

t.test("linear: a vector, and errors with both shapes", async (t) => {
  t.same(linear(draw([2]), draw([3, 2])).shape, [3]);
  t.throws(() => linear(draw([2, 4]), draw([3, 2])), {
    message: /linear: the last axis of x .*: \[2, 4\] and \[3, 2\]/,
  });
});
