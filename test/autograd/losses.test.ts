import fc from "fast-check";
import t from "tap";
import { binaryCrossEntropyWithLogits } from "../../src/autograd/functions/binary-cross-entropy.ts";
import { cosineDistance } from "../../src/autograd/functions/cosine-distance.ts";
import { cosineSimilarity } from "../../src/autograd/functions/cosine-similarity.ts";
import { crossEntropy } from "../../src/autograd/functions/cross-entropy.ts";
import { klDivergence } from "../../src/autograd/functions/kl-divergence.ts";
import { logSoftmax } from "../../src/autograd/functions/log-softmax.ts";
import { normalize } from "../../src/autograd/functions/normalize.ts";
import type { Reduction } from "../../src/autograd/functions/reduction.ts";
import { l1Loss, mseLoss, smoothL1Loss } from "../../src/autograd/functions/regression-losses.ts";
import { softmax } from "../../src/autograd/functions/softmax.ts";
import { grad } from "../../src/autograd/grad.ts";
import { type Asserter, checkGrads } from "../../src/autograd/gradcheck.ts";
import { variable } from "../../src/autograd/graph.ts";
import { add } from "../../src/autograd/ops/arithmetic.ts";
import { expandDims, permute } from "../../src/autograd/ops/layout.ts";
import { sum } from "../../src/autograd/ops/reduce.ts";
import { exp, sigmoid } from "../../src/autograd/ops/transcendental.ts";
import { fromArray, tensor, zeros } from "../../src/tensor/create.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { draw, drawApart, exact, ints, values } from "../support.ts";

const { NEGATIVE_INFINITY } = Number;
const vector = (...numbers: number[]) => tensor(numbers, exact);

function close(t: Asserter, actual: Tensor | number[], expected: readonly number[], message: string): void {
  const data = Array.isArray(actual) ? actual : values(actual);
  const error = Math.max(0, ...data.map((v, i) => Math.abs(v - expected[i]!)));
  t.ok(data.length === expected.length && error < 1e-12, `${message}: ${data.join(", ")} for ${expected.join(", ")}`);
}

/** −log softmax of one row, by the definition. */
function surprisal(row: readonly number[]): number[] {
  const largest = Math.max(...row);
  const total = row.reduce((s, v) => s + Math.exp(v - largest), 0);
  return row.map((v) => Math.log(total) + largest - v);
}

/** Losses of rows, and their shares in the mean, from targets that are distributions. */
function naiveCrossEntropy(logits: number[][], targets: number[][], smoothing: number, weight: number[]): number[] {
  return logits.map((row, i) => {
    const costs = surprisal(row);
    return costs.reduce(
      (s, cost, c) => s + weight[c]! * ((1 - smoothing) * targets[i]![c]! + smoothing / row.length) * cost,
      0,
    );
  });
}

const rowsOf = (x: Tensor) =>
  Array.from({ length: x.shape[0]! }, (_, i) => values(x).slice(i * x.shape[1]!, (i + 1) * x.shape[1]!));

t.test(
  "crossEntropy of labels: reductions, smoothing, weights and ignored rows, as the definition has them",
  async (t) => {
    const cases = fc.record({
      labels: fc.array(fc.integer({ min: -2, max: 3 }), { maxLength: 4 }),
      labelSmoothing: fc.constantFrom(0, 0.1, 1),
      hasWeight: fc.boolean(),
      ignoreIndex: fc.constantFrom(undefined, -100, 1),
      seed: fc.nat(100),
    });
    fc.assert(
      fc.property(cases, ({ labels, labelSmoothing, hasWeight, ignoreIndex, seed }) => {
        const logits = draw([labels.length, 4], seed);
        const weight = hasWeight ? vector(1, 2, 0.5, 0.25) : undefined;
        const w = weight ? values(weight) : [1, 1, 1, 1];
        const oneHot = labels.map((label) => w.map((_, c) => (c === label ? 1 : 0)));
        const isCounted = labels.map((label) => label >= 0 && label !== ignoreIndex);
        const losses = naiveCrossEntropy(rowsOf(logits), oneHot, labelSmoothing, w).map((v, i) =>
          isCounted[i] ? v : 0,
        );
        const total = losses.reduce((a, b) => a + b, 0);
        const share = labels.reduce((s, label, i) => s + (isCounted[i] ? w[label]! : 0), 0);
        const options = { labelSmoothing, ignoreIndex, ...(weight && { weight }) };
        const run = (reduction: Reduction) =>
          crossEntropy(logits, ints(labels, [labels.length]), { ...options, reduction });
        close(t, run("none"), losses, "none");
        close(t, run("sum"), [total], "sum");
        close(t, run("mean"), [share ? total / share : 0], "mean");
      }),
      { numRuns: 60 },
    );
  },
);

t.test("crossEntropy of distributions equals that of labels where they are one-hot", async (t) => {
  const logits = draw([3, 4]);
  const soft = softmax(draw([3, 4], 1));
  const weight = vector(1, 2, 0.5, 0.25);
  for (const labelSmoothing of [0, 0.2]) {
    const expected = naiveCrossEntropy(rowsOf(logits), rowsOf(soft), labelSmoothing, values(weight));
    close(t, crossEntropy(logits, soft, { reduction: "none", labelSmoothing, weight }), expected, "none");
    const mean = expected.reduce((a, b) => a + b) / 3;
    close(
      t,
      crossEntropy(logits, soft, { labelSmoothing, weight }),
      [mean],
      "the mean is over rows, whatever the weights",
    );
  }
  const oneHot = tensor(
    [
      [0, 1, 0, 0],
      [1, 0, 0, 0],
      [0, 0, 0, 1],
    ],
    exact,
  );
  close(t, crossEntropy(logits, oneHot), values(crossEntropy(logits, ints([1, 0, 3]))), "one-hot");
  const excluded = crossEntropy(vector(0, 0, NEGATIVE_INFINITY), vector(0.5, 0.5, 0));
  close(t, excluded, [Math.log(2)], "an excluded class without a share adds 0");
  t.equal(crossEntropy(zeros([0, 4], exact), zeros([0, 4], exact)).item(), 0, "nothing to predict");
});

t.test("crossEntropy: the axis of classes", async (t) => {
  const logits = draw([2, 3, 5]); // [B, V, N]
  const labels = ints([0, 1, -100, 2, 1, 2, 0, 1, -100, 0], [2, 5]);
  const losses = crossEntropy(logits, labels, { reduction: "none" });
  t.same(losses.shape, [2, 5]);
  const last = crossEntropy(permute(logits, [0, 2, 1]), labels, { reduction: "none", axis: -1 });
  t.same(values(losses), values(last));
  t.equal(crossEntropy(logits, labels).item(), crossEntropy(permute(logits, [0, 2, 1]), labels, { axis: -1 }).item());
  close(t, crossEntropy(vector(1, 2, 3), ints([2], [])), [surprisal([1, 2, 3])[2]!], "one row");
});

t.test("crossEntropy: derivatives to second order", async (t) => {
  const labels = ints([2, -100, 0]);
  const weight = vector(1, 2, 0.5, 0.25);
  const x = draw([3, 4]);
  for (const reduction of ["mean", "sum", "none"] as const) {
    checkGrads(t, (x: Tensor) => crossEntropy(x, labels, { reduction }), [x]);
    checkGrads(t, (x: Tensor, w: Tensor) => crossEntropy(x, labels, { reduction, labelSmoothing: 0.1, weight: w }), [
      x,
      weight,
    ]);
    checkGrads(t, (x: Tensor, soft: Tensor) => crossEntropy(x, soft, { reduction }), [x, exp(draw([3, 4], 1))]);
  }
  const target = variable(vector(0, 1));
  const logits = vector(0, 0);
  t.same(
    values(grad(crossEntropy(logits, target), [target])[0]!),
    [Math.log(2), Math.log(2)],
    "a share of 0 has one too",
  );
  const nothing = variable(draw([2, 3]));
  const none = crossEntropy(nothing, ints([-1, -1]), { labelSmoothing: 0.1, weight: vector(1, 1, 1) });
  t.equal(none.item(), 0);
  t.ok(
    values(grad(none, [nothing])[0]!).every((g) => g === 0),
    "nothing to predict has a gradient of 0",
  );
});

t.test("binaryCrossEntropyWithLogits: large logits, and derivatives at 0", async (t) => {
  const x = vector(1000, -1000, 1000, -1000, 40, 0);
  const losses = values(binaryCrossEntropyWithLogits(x, vector(1, 0, 0, 1, 1, 0.25), { reduction: "none" }));
  t.same(losses.slice(0, 4), [0, 0, 1000, 1000]);
  t.ok(Math.abs(losses[4]! / Math.exp(-40) - 1) < 1e-12, "the digits of a small loss are kept");
  t.equal(losses[5], Math.log(2));
  const zero = variable(vector(0));
  const first = grad(sum(binaryCrossEntropyWithLogits(zero, vector(0.25))), [zero], { createGraph: true })[0]!;
  t.equal(first.item(), 0.25);
  t.equal(grad(sum(first), [zero])[0]!.item(), 0.25, "σ'(0)");
  for (const reduction of ["mean", "sum", "none"] as const)
    checkGrads(t, (x: Tensor, y: Tensor) => binaryCrossEntropyWithLogits(x, y, { reduction }), [
      draw([2, 3]),
      sigmoid(draw([2, 3], 1)),
    ]);
});

t.test("mseLoss, l1Loss and smoothL1Loss: values by hand, derivatives to second order", async (t) => {
  const [x, target] = [vector(1, 2, 5, 0.5), vector(1, 4, 2, 0)];
  t.same(values(mseLoss(x, target, { reduction: "none" })), [0, 4, 9, 0.25]);
  t.equal(mseLoss(x, target).item(), 13.25 / 4);
  t.equal(l1Loss(x, target, { reduction: "sum" }).item(), 5.5);
  t.same(values(smoothL1Loss(x, target, { reduction: "none" })), [0, 1.5, 2.5, 0.125]);
  t.same(values(smoothL1Loss(x, target, { reduction: "none", beta: 2 })), [0, 1, 2, 0.0625], "β itself is on the line");
  t.same(values(smoothL1Loss(x, target, { reduction: "none", beta: 0 })), [0, 2, 3, 0.5]);
  const equalPoint = variable(vector(1));
  for (const loss of [mseLoss, l1Loss, smoothL1Loss])
    t.equal(grad(loss(equalPoint, vector(1)), [equalPoint])[0]!.item(), 0, "no gradient at the target");
  const [a, b] = [drawApart([2, 4], 1, 0.37), drawApart([2, 4], 2, 0.11)];
  for (const reduction of ["mean", "sum", "none"] as const)
    for (const loss of [mseLoss, l1Loss, smoothL1Loss])
      checkGrads(t, (a: Tensor, b: Tensor) => loss(a, b, { reduction }), [a, b]);
});

t.test("klDivergence: values by hand, 0 · log 0, and what it says of cross-entropy", async (t) => {
  const input = fromArray(Float64Array.from([0.5, 0.25, 0.25, 0.25, 0.25, 0.5], Math.log), [2, 3], exact);
  const target = tensor(
    [
      [0.5, 0.5, 0],
      [0.25, 0.25, 0.5],
    ],
    exact,
  );
  close(t, klDivergence(input, target, { reduction: "none" }), [0, 0.5 * Math.log(2), 0, 0, 0, 0], "none");
  close(t, klDivergence(input, target, { reduction: "sum" }), [0.5 * Math.log(2)], "sum");
  close(t, klDivergence(input, target, { reduction: "batchMean" }), [0.25 * Math.log(2)], "batchMean");
  close(t, klDivergence(input, target), [Math.log(2) / 12], "mean over elements");
  const logs = fromArray(Float64Array.from(values(target), Math.log), [2, 3], exact);
  close(t, klDivergence(input, logs, { logTarget: true, reduction: "sum" }), [0.5 * Math.log(2)], "logTarget");
  const never = vector(0, NEGATIVE_INFINITY);
  t.equal(klDivergence(never, vector(1, 0), { reduction: "sum" }).item(), 0, "0 log (0 / 0)");
  t.equal(klDivergence(never, never, { logTarget: true, reduction: "sum" }).item(), 0);
  t.equal(klDivergence(never, vector(0.5, 0.5), { reduction: "sum" }).item(), Infinity);
  const [x, soft] = [draw([3, 4]), softmax(draw([3, 4], 1))];
  const far = add(soft, 0.5); // from 0, where the logarithm bends
  const entropy = values(soft).reduce((s, p) => s - p * Math.log(p), 0) / 3;
  const divergence = klDivergence(logSoftmax(x), soft, { reduction: "batchMean" }).item();
  close(t, [divergence + entropy], values(crossEntropy(x, soft)), "cross-entropy = entropy + divergence");
  for (const reduction of ["mean", "sum", "none", "batchMean"] as const) {
    checkGrads(t, (x: Tensor, p: Tensor) => klDivergence(x, p, { reduction }), [x, far]);
    checkGrads(t, (x: Tensor, p: Tensor) => klDivergence(x, p, { reduction, logTarget: true }), [x, logSoftmax(x)]);
  }
});

t.test("cosineSimilarity and normalize: values by hand, short vectors, broadcasting", async (t) => {
  const [a, b] = [vector(3, 4), vector(4, 3)];
  close(t, cosineSimilarity(a, b), [24 / 25], "24 / 25");
  close(t, normalize(a), [0.6, 0.8], "3-4-5");
  t.same(values(cosineSimilarity(vector(0, 0), b)), [0], "the zero vector");
  close(t, cosineSimilarity(vector(3e-3, 4e-3), b, -1, 0.1), [5e-2 * 0.96], "‖a‖ = 0.005 counts as 0.1");
  const [words, patches] = [draw([2, 3, 4], 1), draw([2, 5, 4], 2)];
  const all = cosineSimilarity(expandDims(words, 2), expandDims(patches, 1)); // [2, 3, 1, 4] with [2, 1, 5, 4]
  t.same(all.shape, [2, 3, 5]);
  close(
    t,
    all,
    values(cosineDistance(words, patches)).map((c) => 1 - c),
    "1 − the distance of all pairs",
  );
  close(t, cosineSimilarity(vector(1), vector(3, 4)), [7 / 5 / Math.SQRT2], "[1] is [1, 1] beside [3, 4]");
  t.same(cosineSimilarity(draw([2, 3, 4], 1), draw([3, 4], 2), 1).shape, [2, 4]);
  checkGrads(t, (a: Tensor, b: Tensor) => cosineSimilarity(a, b, 0), [draw([3, 2], 1), draw([3, 1], 2)]);
  checkGrads(t, (a: Tensor) => normalize(a, 0, 10), [draw([3, 2])]);
  const origin = variable(zeros([2], exact));
  t.same(values(grad(sum(normalize(origin, -1, 0.5)), [origin])[0]!), [2, 2]);
});

t.test("losses: errors name the operation and what does not fit", async (t) => {
  const logits = draw([2, 3, 4]);
  const fails = (message: string, f: () => Tensor, name = "ShapeError") => t.throws(f, { name, message });
  fails(
    "crossEntropy: labels do not have the shape of the logits without axis 1, the classes: [2, 3, 4] and [2, 3]; { axis: -1 } reads classes along the last axis",
    () => crossEntropy(logits, ints([0, 1, 2, 0, 1, 2], [2, 3])),
  );
  fails("crossEntropy: labels are float64, not int32", () => crossEntropy(draw([2, 3]), draw([2])), "DTypeError");
  fails("crossEntropy: distributions do not have the shape of the logits: [2, 3, 4] and [2, 3, 1]", () =>
    crossEntropy(logits, draw([2, 3, 1])),
  );
  fails("crossEntropy: the weight is not one number for each class on axis 1: [2, 3] and [2]", () =>
    crossEntropy(draw([2, 3]), ints([0, 1]), { weight: vector(1, 2) }),
  );
  const configuration = (message: string, f: () => Tensor) => fails(message, f, "ConfigError");
  configuration("crossEntropy: a label smoothing of 1.5 is not in [0, 1]", () =>
    crossEntropy(draw([2, 3]), ints([0, 1]), { labelSmoothing: 1.5 }),
  );
  configuration("crossEntropy: ignoreIndex 0 with distributions, which have no labels to ignore", () =>
    crossEntropy(draw([2, 3]), draw([2, 3]), { ignoreIndex: 0 }),
  );
  configuration('mseLoss: the reduction "average" is none of mean, sum and none', () =>
    mseLoss(logits, logits, { reduction: "average" as Reduction }),
  );
  configuration("smoothL1Loss: beta is -1, not at least 0", () => smoothL1Loss(logits, logits, { beta: -1 }));
  for (const [name, loss] of Object.entries({
    mseLoss,
    l1Loss,
    smoothL1Loss,
    klDivergence,
    binaryCrossEntropyWithLogits,
  }))
    fails(`${name}: the target does not have the shape of the prediction: [2, 1] and [2]`, () =>
      loss(draw([2, 1]), draw([2])),
    );
});
