import fc from "fast-check";
import t from "tap";
import { crossEntropy } from "../../src/autograd/functions/cross-entropy.ts";
import { backward } from "../../src/autograd/grad.ts";
import { noGrad } from "../../src/autograd/graph.ts";
import { add } from "../../src/autograd/ops/arithmetic.ts";
import { select, slice } from "../../src/autograd/ops/layout.ts";
import type { HostArray, Module } from "../../src/nn/module.ts";
import { fromArray } from "../../src/tensor/create.ts";
import { Rng } from "../../src/tensor/rng.ts";
import { getPreset, parseViltConfig, positionGrid, presetNames } from "../../src/vilt/config.ts";
import { Vilt, type ViltInput } from "../../src/vilt/model.ts";
import { alignmentMasks, signedMean, standardizeTokens } from "../../src/vilt/objectives/word-patch-alignment.ts";
import { type PretrainingBatch, ViltForPretraining } from "../../src/vilt/pretraining.ts";
import { loadPublishedWeights, publishedNames, publishedWeights } from "../../src/vilt/weights/weights.ts";
import { draw, exact, ints, values } from "../support.ts";

const config = parseViltConfig({
  hiddenSize: 12,
  numLayers: 2,
  numHeads: 3,
  vocabularySize: 11,
  maxTextLength: 6,
  imageSize: [4, 6],
  patchSize: 2,
  initializer: "fanIn",
});
const build = (changes = {}) => new Vilt({ ...config, ...changes }, { rng: new Rng("model"), ...exact });
const vilt = build();
const paperAlignment = { layer: "final", weight: 0.1, beta: 0.5, iterations: 50 } as const;

/** Two texts of 5 and 3 tokens, and images of 2×3 and 1×2 patches in a canvas of `rows`×`columns` of them. */
function input(pad = { id: 0, pixel: 0 }, [T, rows, columns] = [5, 2, 3]): ViltInput {
  const ids = new Int32Array(2 * T).fill(pad.id);
  const textMask = new Int32Array(2 * T);
  for (const [b, words] of [
    [2, 5, 6, 7, 3],
    [2, 9, 3],
  ].entries()) {
    ids.set(words, b * T);
    textMask.fill(1, b * T, b * T + words.length);
  }
  const [H, W] = [rows * 2, columns * 2];
  const pixelMask = Uint8Array.from({ length: 2 * H * W }, (_, k) => {
    const [b, y, x] = [Math.floor(k / (H * W)), Math.floor(k / W) % H, k % W];
    return y < (b ? 2 : 4) && x < (b ? 4 : 6) ? 1 : 0;
  });
  const pixels = Float64Array.from({ length: 2 * 3 * H * W }, (_, k) => {
    const [b, c, y, x] = [Math.floor(k / (3 * H * W)), Math.floor(k / (H * W)) % 3, Math.floor(k / W) % H, k % W];
    return pixelMask[(b * H + y) * W + x] ? Math.sin(1 + 5 * b + 3 * c + 2 * y + x) : pad.pixel;
  });
  return { ids, textMask, pixelValues: fromArray(pixels, [2, 3, H, W], exact), pixelMask };
}

/** What the real tokens became: hidden vectors by sample, text first, and the pooled vectors. */
function meaning(model: Vilt, given: ViltInput): number[][] {
  const out = noGrad(() => model.forward(given));
  const [hidden, d] = [values(out.hidden), 12];
  const N = hidden.length / 2 / d;
  return [0, 1].map((b) => [
    ...Array.from({ length: N }, (_, n) => n)
      .filter((n) => out.mask[b * N + n])
      .flatMap((n) => hidden.slice((b * N + n) * d, (b * N + n + 1) * d)),
    ...values(out.pooled).slice(b * d, (b + 1) * d),
  ]);
}

t.test("what stands in a padded place, and how many there are, changes no real token", async (t) => {
  const expected = meaning(vilt, input());
  t.same(
    expected.map((tokens) => tokens.length),
    [(5 + 1 + 6 + 1) * 12, (3 + 1 + 2 + 1) * 12],
  );
  fc.assert(
    fc.property(
      fc.nat(10),
      fc.double({ min: -50, max: 50, noNaN: true }),
      fc.constantFrom([5, 2, 3], [6, 3, 3], [5, 4, 5]),
      (id, pixel, sizes) => {
        const actual = meaning(vilt, input({ id, pixel }, sizes as [number, number, number]));
        for (const [b, tokens] of expected.entries())
          for (const [k, value] of tokens.entries())
            if (!(Math.abs(value - actual[b]![k]!) < 1e-12)) t.fail(`sample ${b}, number ${k}`);
        t.equal(actual[1]!.length, expected[1]!.length);
      },
    ),
    { numRuns: 25 },
  );
});

t.test("a sample alone gives what it gives in a padded batch; the looked-up and the direct way agree", async (t) => {
  const batch = meaning(vilt, input());
  const { ids, textMask, pixelValues } = input();
  const first = fromArray(pixelValues.dataSync().subarray(0, 3 * 4 * 6), [1, 3, 4, 6], exact);
  const single = { ids: ids.subarray(0, 5), textMask: textMask.subarray(0, 5), pixelValues: first };
  const alone = noGrad(() => vilt.forward(single));
  t.ok(alone.selection.isWhole, "no patch is looked up");
  const tokens = [...values(alone.hidden), ...values(alone.pooled)];
  t.ok(tokens.every((value, k) => Math.abs(value - batch[0]![k]!) < 1e-12));
});

t.test("training above the limit draws patches and dropout from the rng; evaluation draws nothing", async (t) => {
  const model = build({ maxImageLength: 3, dropout: 0.2 });
  const run = (rng?: Rng) => values(noGrad(() => model.forward(input(), { rng })).hidden);
  t.same(run(), run());
  t.same(run(new Rng(1)), run(new Rng(1)));
  t.notSame(run(new Rng(1)), run(new Rng(2)));
  const { selection, mask } = noGrad(() => model.encode(input(), { rng: new Rng(3) }));
  t.equal(selection.length, 3);
  t.same([...mask], [...[1, 1, 1, 1, 1, 1, 1, 1, 1], ...[1, 1, 1, 0, 0, 1, 1, 1, 0]]);
});

t.test("a trace answers every layer and its attention without changing the result", async (t) => {
  const plain = noGrad(() => vilt.encode(input()));
  const traced = noGrad(() => vilt.encode(input(), { trace: true }));
  t.same(values(traced.hidden), values(plain.hidden));
  t.same([traced.layers.length, traced.attention.length, plain.layers.length], [2, 2, 0]);
  t.same(traced.attention[1]!.shape, [2, 3, 12, 12]);
  const second = noGrad(() => vilt.encode(input(), { imageType: 0 }));
  t.notSame(values(second.embedding), values(plain.embedding), "the image's type is the caller's choice");
});

t.test("only the words that are asked for: rows of the whole output, in the order asked", async (t) => {
  const d = config.hiddenSize;
  const whole = noGrad(() => vilt.forward(input()));
  const words = Int32Array.of(9, 0, 3, 0, 5);
  const { hidden, layers, attention } = noGrad(() => vilt.encode(input(), { words, trace: true }));
  const expected = [...words].flatMap((k) => values(whole.text).slice(k * d, (k + 1) * d));
  t.same(hidden.shape, [5, d]);
  t.ok(values(hidden).every((value, k) => Math.abs(value - expected[k]!) < 1e-12));
  t.same(
    [layers[0]!.shape, layers[1]!.shape, attention[1]!.shape],
    [
      [2, 12, d],
      [5, d],
      [2, 3, 12, 12],
    ],
  );
  t.same(noGrad(() => vilt.encode(input(), { words: new Int32Array() })).hidden.shape, [0, d]);
  const pooled = values(noGrad(() => vilt.pool(input())));
  t.ok(pooled.length === 2 * d && pooled.every((value, k) => Math.abs(value - values(whole.pooled)[k]!) < 1e-12));
});

t.test("bad texts and images are refused by name", async (t) => {
  const good = input();
  const refuse = (changes: Partial<ViltInput>, message: RegExp) =>
    t.throws(() => vilt.forward({ ...good, ...changes }), { message });
  refuse({ ids: Int32Array.of(2, 5, 3) }, /3 ids and 10 mask values for 2 images/);
  refuse(
    { ids: Int32Array.from(good.ids, (id) => (id === 9 ? 11 : id)) },
    /text 1: id 11 at token 1 is not one of 11 words/,
  );
  const long = new Int32Array(14).fill(1);
  refuse({ ids: long, textMask: long }, /text of 7 tokens: there are positions for 6/);
  refuse(
    { pixelValues: draw([2, 1, 4, 6]) },
    /PatchEmbedding: the shape \[B, 3, H, W\] is needed, not \[2, 1, 4, 6\]; axis 1 is 1, not 3/,
  );
  refuse({ pixelValues: draw([2, 3, 1, 6]), pixelMask: undefined }, /1×6 pixels: smaller than one patch of 2×2/);
});

t.test("presets: the published sizes, checked, and unknown names answered by the known", async (t) => {
  t.same(presetNames, ["toy", "tiny", "small", "b32"]);
  const counted = (name: string) => new Vilt(getPreset(name).model, { rng: null, device: "meta" }).countParameters();
  t.equal(counted("toy"), 131_968);
  t.equal(counted("b32"), 111_595_008);
  const pretraining = new ViltForPretraining(getPreset("b32").model, { rng: null, device: "meta" });
  t.equal(pretraining.countParameters(), 135_660_092);
  t.equal(pretraining.maskedLanguageModelingHead.countParameters(), 24_063_546);
  t.equal(pretraining.imageTextMatchingHead.countParameters(), 1_538);
  t.same(positionGrid(getPreset("small").model), [6, 8]);
  t.same(positionGrid(getPreset("b32").model), [12, 12]);
  t.same(
    getPreset("tiny").wordPatchAlignment.map(({ layer, weight }) => [layer, weight]),
    [
      ["embedding", 3],
      ["final", 0.1],
    ],
  );
  for (const name of ["huge", "toString", "__proto__"])
    t.throws(() => getPreset(name), {
      name: "ConfigError",
      message: `no preset "${name}"; there are toy, tiny, small, b32`,
    });
  const { patchSize: _, ...incomplete } = config;
  t.throws(() => parseViltConfig(incomplete, "config.json"), { message: /^config\.json: patchSize: / });
  t.throws(() => parseViltConfig({ ...config, numHeads: 5, patchSize: 5 }), {
    message: /numHeads: must divide hiddenSize; patchSize: must divide both/,
  });
  t.throws(() => parseViltConfig({ ...config, dropout: 1, layers: 3 }), { message: /dropout: .*layers/s });
});

t.test("published weights: out and in again, and all that does not fit is listed", async (t) => {
  const model = new ViltForPretraining(config, { rng: new Rng(1), ...exact });
  const weights = publishedWeights(model);
  t.equal(weights.size, 10 + 2 * 12 + 2 + 2 + 6 + 2);
  t.same(weights.get("transformer.patch_embed.proj.weight")!.shape, [12, 3, 2, 2]);
  t.equal(new Set(publishedNames(model).map(({ parameter }) => parameter)).size, model.parameters().length);
  const other = new ViltForPretraining(config, { rng: new Rng(2), ...exact });
  loadPublishedWeights(
    other,
    new Map<string, HostArray>([...weights, ["text_embeddings.position_ids", { shape: [1, 6], data: [] }]]),
  );
  t.same(publishedWeights(other), weights);
  loadPublishedWeights(build(), weights, "heads are left out");

  const bad = new Map<string, HostArray>(weights);
  bad.delete("itm_score.fc.bias");
  bad.set("itm_score.extra", { shape: [4], data: [] });
  bad.set("pooler.dense.bias", { shape: [13], data: new Array(13).fill(0) });
  bad.set("mlm_score.bias", { shape: [11], data: new Array(11).fill(Number.NaN) });
  t.throws(() => loadPublishedWeights(other, bad, "model.safetensors"), {
    name: "DataError",
    message:
      "model.safetensors: pooler.dense.bias is [13], not [12]; mlm_score.bias holds NaN at element 0; missing itm_score.fc.bias [2]; unexpected itm_score.extra [4]",
  });
  t.same(publishedWeights(other), weights, "nothing was changed");
  t.throws(() => loadPublishedWeights(build({ numLayers: 1 }), weights), {
    message: /unexpected transformer\.blocks\.1\.norm1\.weight \[12\]/,
  });
});

/** The batch of `input`, with word 2 of the first text masked and the second image taken for a mismatch. */
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
