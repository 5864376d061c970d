import fc from "fast-check";
import t from "tap";
import { batchNorm, runningStatistics } from "../../src/autograd/functions/batch-norm.ts";
import { groupNorm } from "../../src/autograd/functions/group-norm.ts";
import { layerNorm } from "../../src/autograd/functions/layer-norm.ts";
import { rmsNorm } from "../../src/autograd/functions/rms-norm.ts";
import { type Asserter, checkGrads } from "../../src/autograd/gradcheck.ts";
import { variable } from "../../src/autograd/graph.ts";
import { reshape } from "../../src/autograd/ops/layout.ts";
import { ones, tensor, zeros } from "../../src/tensor/create.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { draw, exact, ints, values } from "../support.ts";

const vector = (...numbers: number[]) => tensor(numbers, exact);

function close(t: Asserter, actual: Tensor, expected: readonly number[], message: string): void {
  const data = values(actual);
  const error = Math.max(0, ...data.map((v, i) => Math.abs(v - expected[i]!)));
  t.ok(data.length === expected.length && error < 1e-12, `${message}: ${error}`);
}

/** Standardises cells that `groupOf` puts together, by the definition; then w and b of the cell's channel. */
function naiveNorm(x: Tensor, groupOf: (b: number, c: number) => string, weight: Tensor, bias: Tensor, eps: number) {
  const [, C, L] = x.shape as [number, number, number];
  const [data, w, b] = [values(x), values(weight), values(bias)];
  const channel = (k: number) => Math.floor(k / L) % C;
  const group = (k: number) => groupOf(Math.floor(k / (L * C)), channel(k));
  const members = new Map<string, number[]>();
  for (const [k, v] of data.entries()) members.set(group(k), [...(members.get(group(k)) ?? []), v]);
  const average = (list: number[]) => list.reduce((s, v) => s + v, 0) / list.length;
  return data.map((v, k) => {
    const list = members.get(group(k))!;
    const mean = average(list);
    const variance = average(list.map((u) => (u - mean) ** 2));
    return ((v - mean) / Math.sqrt(variance + eps)) * w[channel(k)]! + b[channel(k)]!;
  });
}

t.test("groupNorm and batchNorm: equal to loops over their groups", async (t) => {
  const lengths = fc.tuple(
    ...[fc.integer({ min: 0, max: 3 }), fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 2 }), fc.nat(4)],
  );
  fc.assert(
    fc.property(lengths, ([B, groups, each, L]) => {
      const C = groups! * each!;
      const x = draw([B!, C, L!]);
      const [weight, bias, eps] = [draw([C], 1), draw([C], 2), 0.1];
      const byGroup = naiveNorm(x, (b, c) => `${b} ${Math.floor(c / each!)}`, weight, bias, eps);
      close(t, groupNorm(x, groups!, { weight, bias, eps }), byGroup, `groups: ${x.shape}, ${groups}`);
      if (B! * L! < 2) return;
      const byChannel = naiveNorm(x, (_, c) => `${c}`, weight, bias, eps);
      close(t, batchNorm(x, { weight, bias, eps }).out, byChannel, `batch: ${x.shape}`);
    }),
    { numRuns: 60 },
  );
});

t.test("one group of channels is layer normalisation; images are positions", async (t) => {
  const x = draw([2, 3, 2, 2]);
  const flat = layerNorm(reshape(x, [2, 12]), ones([12], exact), zeros([12], exact), 1e-5);
  close(t, groupNorm(x, 1), values(flat), "one group");
  const rows = reshape(x, [2, 3, 4]);
  t.same(values(groupNorm(x, 3)), values(groupNorm(rows, 3)));
  t.same(values(batchNorm(x).out), values(batchNorm(rows).out));
  t.same(values(groupNorm(draw([2, 3]), 3, { bias: vector(1, 2, 3) })), [1, 2, 3, 1, 2, 3], "a group of one cell");
});

t.test("batchNorm: statistics of the batch, running ones, and what is remembered", async (t) => {
  const x = tensor(
    [
      [1, 10],
      [3, 10],
    ],
    exact,
  );
  const { out, statistics } = batchNorm(variable(x), { eps: 0 });
  t.same(values(out).map(String), ["-1", "NaN", "1", "NaN"], "a constant channel needs ε");
  t.same([values(statistics.mean), values(statistics.variance), statistics.count], [[2, 10], [1, 0], 2]);
  const before = { mean: vector(0, 0), variance: vector(1, 1) };
  const running = runningStatistics(before, statistics);
  t.same(values(running.mean), [0.2, 1]);
  t.same(values(running.variance), [0.9 + 0.1 * 2, 0.9], "the unbiased variance of 1 and 3 is 2");
  t.equal(running.mean.origin, null, "no gradient is remembered");
  t.same(values(runningStatistics(before, statistics, 1).mean), [2, 10]);
  const evaluated = batchNorm(tensor([[4, 6]], exact), {
    ...{ running: { mean: vector(2, 2), variance: vector(4, 16) }, weight: vector(1, 10), bias: vector(0, 1), eps: 0 },
  });
  t.same(values(evaluated.out), [1, 11]);
  t.equal(evaluated.statistics, null);
});

t.test("rmsNorm: values by hand", async (t) => {
  t.same(values(rmsNorm(vector(1, 7), null, 0)), [0.2, 1.4], "√((1 + 49) / 2) = 5");
  t.same(values(rmsNorm(vector(1, 7), vector(10, 5), 0)), [2, 7]);
  t.same(values(rmsNorm(zeros([2, 2], exact))), [0, 0, 0, 0]);
  t.same(values(rmsNorm(tensor([[-3], [2]], exact), null, 0)), [-1, 1], "one cell");
});

t.test("normalisation: derivatives to second order", async (t) => {
  const [x, w, b] = [draw([2, 4, 3]), draw([4], 1), draw([4], 2)];
  checkGrads(t, (x: Tensor, weight: Tensor, bias: Tensor) => groupNorm(x, 2, { weight, bias }), [x, w, b]);
  checkGrads(t, (x: Tensor, weight: Tensor, bias: Tensor) => batchNorm(x, { weight, bias }).out, [x, w, b]);
  checkGrads(t, (x: Tensor) => batchNorm(x).statistics!.variance, [x]);
  const running = { mean: b, variance: vector(1, 2, 3, 4) };
  checkGrads(t, (x: Tensor, weight: Tensor) => batchNorm(x, { weight, running }).out, [x, w]);
  checkGrads(t, (x: Tensor, weight: Tensor) => rmsNorm(x, weight), [draw([2, 4]), w]);
});

t.test("normalisation: errors name both shapes and the axis", async (t) => {
  const x = draw([2, 4, 3]);
  const fails = (message: string, f: () => unknown, name = "ShapeError") => t.throws(f, { name, message });
  fails("groupNorm: 4 channels do not divide into 3 groups: [2, 4, 3]", () => groupNorm(x, 3));
  fails("groupNorm: channels on axis 1 are needed: [2]", () => groupNorm(draw([2]), 1));
  fails("groupNorm: the weight is not one number for each channel on axis 1: [2, 4, 3] and [3]", () =>
    groupNorm(x, 2, { weight: draw([3]) }),
  );
  fails("batchNorm: a channel of 1 cells has no variance: [1, 4, 1]; running statistics have one", () =>
    batchNorm(draw([1, 4, 1])),
  );
  fails("batchNorm: the mean is not one number for each channel on axis 1: [2, 4, 3] and [2]", () =>
    batchNorm(x, { running: { mean: draw([2]), variance: draw([2]) } }),
  );
  fails("rmsNorm: the weight does not have the length of the last axis: [2, 4, 3] and [4]", () =>
    rmsNorm(x, draw([4])),
  );
  fails("rmsNorm: a last axis of at least one cell is needed: [2, 0]", () => rmsNorm(zeros([2, 0], exact)));
  fails(
    "batchNorm: operands are float64 and int32; convert one with cast()",
    () => batchNorm(x, { bias: ints([1, 2, 3, 4]) }),
    "DTypeError",
  );
});
