import t from "tap";
import { crossEntropy } from "../../src/autograd/functions/cross-entropy.ts";
import { backward } from "../../src/autograd/grad.ts";
import { add } from "../../src/autograd/ops/arithmetic.ts";
import { select, slice } from "../../src/autograd/ops/layout.ts";
import type { Module } from "../../src/nn/module.ts";
import { fromArray } from "../../src/tensor/create.ts";
import { Rng } from "../../src/tensor/rng.ts";
import { alignmentMasks, signedMean, standardizeTokens } from "../../src/vilt/objectives/word-patch-alignment.ts";
import { type PretrainingBatch, ViltForPretraining } from "../../src/vilt/pretraining.ts";
import { loadPublishedWeights, publishedWeights } from "../../src/vilt/weights/weights.ts";
import { draw, exact, ints, values } from "../support.ts";
import { config, input } from "./support.ts";

const paperAlignment = { layer: "final", weight: 0.1, beta: 0.5, iterations: 50 } as const;

const grads = (module: Module) =>
  Object.fromEntries([...module.namedParameters()].map(([name, { grad }]) => [name, values(grad!)]));

function batchOf(labels: number[]): PretrainingBatch {
  const { ids, textMask, pixelValues, pixelMask } = input();
  const maskedLabels = new Int32Array(10).fill(-100);
  if (labels.length) maskedLabels.set(labels, 1);
  return {
    ...{ ids, textMask, pixelValues, pixelMask, maskedLabels },
    maskedIds: Int32Array.from(ids, (id, k) => (maskedLabels[k]! >= 0 ? 4 : id)),
    matchingPixelValues: pixelValues,
    matchingPixelMask: pixelMask,
    matchingLabels: Int32Array.of(1, 0),
  };
}

t.test("pre-training: the losses add up, and reach every parameter that takes part", async (t) => {
  const model = new ViltForPretraining(config, { rng: new Rng("pre"), ...exact });
  const wordPatchAlignment = [{ ...paperAlignment, layer: "embedding", weight: 3 } as const, paperAlignment];
  const losses = model.losses(batchOf([5, 6]), { wordPatchAlignment });
  const { total, maskedLanguageModeling: masked, imageTextMatching: matching } = losses;
  const parts = [masked, matching, ...losses.wordPatchAlignment].map(({ loss }) => loss.item());
  t.ok(Math.abs(total.item() - parts.reduce((a, b) => a + b)) < 1e-12);
  t.same([...masked.labels], [5, 6]);
  for (const [i, { distances, plan, loss }] of losses.wordPatchAlignment.entries()) {
    const [positive, negative] = values(distances) as [number, number];
    t.ok(Math.abs(loss.item() - (wordPatchAlignment[i]!.weight * (positive - negative)) / 2) < 1e-12);
    t.same(plan.shape, [2, 7, 5]);
    const mass = values(plan);
    t.ok(
      [0, 1].every((b) => Math.abs(mass.slice(35 * b, 35 * b + 35).reduce((a, c) => a + c) - 1) < 1e-12),
      "all mass is moved",
    );
    t.ok(
      mass.every((m, k) => m === 0 || (k % 5 > 0 && Math.floor(k / 5) % 7 > 0)),
      "none from [CLS] or the class token",
    );
  }
  backward(total);
  const silent = [...model.namedParameters()].filter(([, { grad }]) => !grad).map(([name]) => name);
  t.same(silent, []);
});

t.test("pre-training: what no loss reads is left out, and changes neither a loss nor a gradient", async (t) => {
  const { backbone, ...model } = new ViltForPretraining(config, { rng: new Rng("pre"), ...exact });
  const batch = batchOf([5, 6]);
  const { ids, textMask, pixelValues, pixelMask, maskedIds } = batch;
  const masked = backbone.forward({ ids: maskedIds, textMask, pixelValues, pixelMask });
  const logits = model.maskedLanguageModelingHead.forward(slice(masked.text, 1, 1, 3)); // of tokens 1 and 2
  const words = crossEntropy(select(logits, 0, 0), ints([5, 6]));
  const { pooled } = backbone.forward({ ids, textMask, pixelValues, pixelMask });
  const pairs = crossEntropy(model.imageTextMatchingHead.forward(pooled), ints([1, 0]));
  const expected = add(words, pairs).keep();
  backward(expected);

  const lean = new ViltForPretraining(config, { rng: new Rng("pre"), ...exact });
  const { total, imageTextMatching } = lean.losses(batch, { wordPatchAlignment: [] });
  t.same(imageTextMatching.encoding.hidden.shape, [2, config.hiddenSize]);
  t.ok(Math.abs(total.item() - expected.item()) < 1e-12);
  backward(total);
  const wholeGradients = { ...grads(backbone), ...grads(model.maskedLanguageModelingHead) };
  const leanGradients = { ...grads(lean.backbone), ...grads(lean.maskedLanguageModelingHead) };
  t.same(Object.keys(leanGradients), Object.keys(wholeGradients));
  for (const [name, gradient] of Object.entries(wholeGradients))
    t.ok(
      gradient.every((value, k) => Math.abs(value - leanGradients[name]![k]!) < 1e-12),
      name,
    );
});

t.test(
  "pre-training: without a masked word the loss is 0, and without alignment the objective is left out",
  async (t) => {
    const model = new ViltForPretraining(config, { rng: new Rng("pre"), ...exact });
    const losses = model.losses(batchOf([]), { wordPatchAlignment: [] });
    t.equal(losses.maskedLanguageModeling.loss.item(), 0);
    t.equal(losses.maskedLanguageModeling.logits, null);
    t.same(losses.wordPatchAlignment, []);
    t.equal(losses.total.item(), losses.imageTextMatching.loss.item());
    backward(losses.total);
    const head = model.maskedLanguageModelingHead.parameters();
    t.ok(head.every(({ grad }) => grad === null));
    t.throws(() => model.losses(batchOf([11]), { wordPatchAlignment: [] }), {
      message: /masked labels: 11 at token 1 of text 0, of 11 words/,
    });
  },
);

t.test("a tied decoder is the word embedding", async (t) => {
  const tied = new ViltForPretraining({ ...config, tieWordEmbeddings: true }, { rng: new Rng(1), ...exact });
  t.equal(tied.maskedLanguageModelingHead.decoder.weight, tied.backbone.textEmbedding.wordEmbedding.weight);
  t.notOk(tied.namedParameters().has("maskedLanguageModelingHead.decoder.weight"));
  const weights = publishedWeights(tied);
  t.notOk(weights.has("mlm_score.decoder.weight"));
  const again = new ViltForPretraining({ ...config, tieWordEmbeddings: true }, { rng: null, ...exact });
  loadPublishedWeights(again, weights);
  t.same(publishedWeights(again), weights);
});

t.test("alignment: who takes part, the sign of pairs, and tokens without scale", async (t) => {
  const { words, patches } = alignmentMasks(
    Int32Array.of(1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0),
    Int32Array.of(1, 1, 1, 0, 1, 1),
    3,
  );
  t.same(
    [...words],
    [0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    "without [CLS], [SEP] and padding, even where nothing is left",
  );
  t.same([...patches], [0, 1, 1, 0, 1, 0, 0, 1, 1]);
  t.equal(signedMean(fromArray([0.5, 0.25, 1], [3], exact), Int32Array.of(1, 0, 0)).item(), -0.25);
  const x = draw([2, 3, 8]);
  const rows = values(standardizeTokens(x));
  for (let row = 0; row < 6; row++) {
    const token = rows.slice(8 * row, 8 * row + 8);
    t.ok(Math.abs(token.reduce((a, b) => a + b)) < 1e-12);
    t.ok(Math.abs(token.reduce((a, b) => a + b * b, 0) / 8 - 1) < 1e-3);
  }
});
