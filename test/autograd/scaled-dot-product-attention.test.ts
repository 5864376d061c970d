import t from "tap";
import { attention, attentionWeights } from "../../src/autograd/functions/attention.ts";
import {
  scaledDotProductAttention,
  scaledDotProductWeights,
} from "../../src/autograd/functions/scaled-dot-product-attention.ts";
import { grad } from "../../src/autograd/grad.ts";
import { checkGrads } from "../../src/autograd/gradcheck.ts";
import { variable } from "../../src/autograd/graph.ts";
import { permute, reshape, select } from "../../src/autograd/ops/layout.ts";
import { sum } from "../../src/autograd/ops/reduce.ts";
import { tensor, zeros } from "../../src/tensor/create.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { draw, exact, ints, values } from "../support.ts";

/** One query after the other, with `may(i, j)` saying which keys it sees. */
function naiveAttention(q: Tensor, k: Tensor, v: Tensor, scale: number, may: (i: number, j: number) => boolean) {
  const rows = (x: Tensor) =>
    Array.from({ length: x.shape[0]! }, (_, i) => values(x).slice(i * x.shape[1]!, (i + 1) * x.shape[1]!));
  const [keys, cells] = [rows(k), rows(v)];
  return rows(q).flatMap((query, i) => {
    const powers = keys.map((key, j) =>
      may(i, j) ? Math.exp(scale * key.reduce((s, value, c) => s + value * query[c]!, 0)) : 0,
    );
    const total = powers.reduce((a, b) => a + b, 0);
    return Array.from({ length: v.shape[1]! }, (_, c) =>
      total ? powers.reduce((s, p, j) => s + (p / total) * cells[j]![c]!, 0) : 0,
    );
  });
}

const [q, k, v] = [draw([3, 4], 1), draw([5, 4], 2), draw([5, 2], 3)];

t.test("scaledDotProductAttention: masks, causality and scale equal the loops", async (t) => {
  const close = (actual: Tensor, expected: number[], message: string) =>
    t.ok(
      values(actual).every((value, i) => Math.abs(value - expected[i]!) < 1e-13),
      message,
    );
  close(
    scaledDotProductAttention(q, k, v),
    naiveAttention(q, k, v, 0.5, () => true),
    "1 / √4",
  );
  close(
    scaledDotProductAttention(q, k, v, { scale: 2 }),
    naiveAttention(q, k, v, 2, () => true),
    "scale",
  );
  const allowed = [1, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0];
  const mask = ints(allowed, [3, 5]);
  const may = (i: number, j: number) => allowed[i * 5 + j] === 1;
  const masked = scaledDotProductAttention(q, k, v, { mask });
  close(masked, naiveAttention(q, k, v, 0.5, may), "a mask");
  t.same(values(masked).slice(2, 4), [0, 0], "a query without any key gets exactly 0");
  close(
    scaledDotProductAttention(q, k, v, { causal: true }),
    naiveAttention(q, k, v, 0.5, (i, j) => j <= i),
    "causal",
  );
  const both = scaledDotProductAttention(q, k, v, { mask: ints([0, 1, 1, 1, 1]), causal: true });
  close(
    both,
    naiveAttention(q, k, v, 0.5, (i, j) => j <= i && j > 0),
    "both",
  );
  t.same(values(both).slice(0, 2), [0, 0], "the first query would see the first key alone");
});

t.test("scaledDotProductAttention: leading axes, equal to the fused attention of packed projections", async (t) => {
  const [B, N, h, dh] = [2, 3, 2, 4];
  const qkv = draw([B, N, 3 * h * dh]);
  const mask = ints([1, 1, 0, 0, 0, 0], [B, N]);
  const heads = permute(reshape(qkv, [B, N, 3, h, dh]), [2, 0, 3, 1, 4]);
  const [q, k, v] = [select(heads, 0, 0), select(heads, 0, 1), select(heads, 0, 2)];
  const keys = reshape(mask, [B, 1, 1, N]);
  t.same(values(scaledDotProductWeights(q, k, keys)), values(attentionWeights(qkv, h, mask)));
  const out = reshape(permute(scaledDotProductAttention(q, k, v, { mask: keys }), [0, 2, 1, 3]), [B, N, h * dh]);
  t.same(values(out), values(attention(qkv, h, mask)));
});

t.test("scaledDotProductAttention: one key, no key, no query", async (t) => {
  t.same(values(scaledDotProductAttention(draw([2, 4]), draw([1, 4]), tensor([[7, 8]], exact))), [7, 8, 7, 8]);
  t.same(
    values(scaledDotProductAttention(draw([2, 4]), zeros([0, 4], exact), zeros([0, 3], exact))),
    [0, 0, 0, 0, 0, 0],
  );
  t.same(scaledDotProductAttention(zeros([0, 4], exact), k, v).shape, [0, 2]);
});

t.test("scaledDotProductAttention: derivatives to second order, none through excluded keys", async (t) => {
  const mask = ints([1, 0, 1, 1, 1, 0, 0, 0, 0, 0, 0, 1, 1, 0, 1], [3, 5]);
  checkGrads(t, (q: Tensor, k: Tensor, v: Tensor) => scaledDotProductAttention(q, k, v, { mask }), [q, k, v]);
  const causal = (q: Tensor, k: Tensor, v: Tensor) => scaledDotProductAttention(q, k, v, { causal: true, scale: 1 });
  checkGrads(t, causal, [draw([2, 3, 4], 1), draw([3, 4], 2), draw([2, 3, 2], 3)]);
  const [key, value] = [variable(k), variable(v)];
  const [gradK, gradV] = grad(sum(scaledDotProductAttention(q, key, value, { mask: ints([1, 1, 0, 1, 1]) })), [
    key,
    value,
  ]);
  t.same(values(gradK!).slice(8, 12), [0, 0, 0, 0]);
  t.same(values(gradV!).slice(4, 6), [0, 0]);
});

t.test("scaledDotProductAttention: errors name the shapes", async (t) => {
  const fails = (message: string, f: () => Tensor, name = "ShapeError") =>
    t.throws(f, { name, message: `scaledDotProductAttention: ${message}` });
  const needed = "q [..., N, dh], k [..., M, dh] and v [..., M, dv] are needed";
  fails(`${needed}: [3, 4] and [5, 3] and [5, 2]`, () => scaledDotProductAttention(q, draw([5, 3]), v));
  fails(`${needed}: [3, 4] and [5, 4] and [4, 2]`, () => scaledDotProductAttention(q, k, draw([4, 2])));
  fails("the mask does not broadcast to the scores: [2, 3, 5] and [3, 5]", () =>
    scaledDotProductAttention(q, k, v, { mask: ints(new Array(30).fill(1), [2, 3, 5]) }),
  );
  fails(
    "the mask is float64, not int32; 1 = may attend, 0 = excluded",
    () => scaledDotProductAttention(q, k, v, { mask: draw([3, 5]) }),
    "DTypeError",
  );
});
