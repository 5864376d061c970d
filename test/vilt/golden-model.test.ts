import t, { type Test } from "tap";
import { backward } from "../../src/autograd/grad.ts";
import { noGrad } from "../../src/autograd/graph.ts";
import type { HostArray } from "../../src/nn/module.ts";
import { fromArray } from "../../src/tensor/create.ts";
import { sizeOf } from "../../src/tensor/shape.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { parseViltConfig } from "../../src/vilt/config.ts";
import { transportHeatMap } from "../../src/vilt/heat-map.ts";
import { patchCoordinates } from "../../src/vilt/patch-selection.ts";
import { alignmentOf, ViltForPretraining } from "../../src/vilt/pretraining.ts";
import { loadPublishedWeights, publishedNames } from "../../src/vilt/weights/weights.ts";
import { exact } from "../support.ts";

/**
 * A model whose weights are sines, with values computed from the original modules in float64 (appendix A of the
 * project's ViLT specification); every number has six or more digits.
 */
const shared = {
  hiddenSize: 8,
  numLayers: 2,
  numHeads: 2,
  vocabularySize: 20,
  maxTextLength: 7,
  imageSize: [24, 24],
  patchSize: 8,
};
const config = parseViltConfig({ ...shared, encoderEps: 1e-12 });

/** The weights in the order of the fixture, which has queries, keys and values apart, by the original's names. */
function sineWeights(): Map<string, HostArray> {
  let t = 0;
  const next = (shape: readonly number[], isScale = false) => {
    t++;
    const [base, amplitude, phase] = [isScale ? 1 : 0, isScale ? 0.1 : 0.5, 1.1 * t];
    return Array.from({ length: sizeOf(shape) }, (_, i) => base + amplitude * Math.sin(0.37 * (i + 1) + phase));
  };
  const weights = new Map<string, HostArray>();
  const put = (name: string, ...shape: number[]) => weights.set(name, { shape, data: next(shape) });
  const norm = (name: string) => {
    weights.set(`${name}.weight`, { shape: [8], data: next([8], true) });
    put(`${name}.bias`, 8);
  };
  const dense = (name: string, out: number, input: number) => {
    put(`${name}.weight`, out, input);
    put(`${name}.bias`, out);
  };
  put("transformer.cls_token", 1, 1, 8);
  put("transformer.pos_embed", 1, 10, 8);
  put("text_embeddings.word_embeddings.weight", 20, 8);
  put("text_embeddings.position_embeddings.weight", 7, 8);
  put("text_embeddings.token_type_embeddings.weight", 2, 8);
  norm("text_embeddings.LayerNorm");
  put("transformer.patch_embed.proj.weight", 8, 3, 8, 8);
  put("transformer.patch_embed.proj.bias", 8);
  put("token_type_embeddings.weight", 2, 8);
  for (const i of [0, 1]) {
    const block = `transformer.blocks.${i}`;
    const parts = [0, 1, 2].map(() => ({ weight: next([8, 8]), bias: next([8]) }));
    weights.set(`${block}.attn.qkv.weight`, { shape: [24, 8], data: parts.flatMap(({ weight }) => weight) });
    weights.set(`${block}.attn.qkv.bias`, { shape: [24], data: parts.flatMap(({ bias }) => bias) });
    dense(`${block}.attn.proj`, 8, 8);
    dense(`${block}.mlp.fc1`, 32, 8);
    dense(`${block}.mlp.fc2`, 8, 32);
    norm(`${block}.norm1`);
    norm(`${block}.norm2`);
  }
  norm("transformer.norm");
  dense("pooler.dense", 8, 8);
  put("mlm_score.bias", 20);
  dense("mlm_score.transform.dense", 8, 8);
  norm("mlm_score.transform.LayerNorm");
  put("mlm_score.decoder.weight", 20, 8);
  dense("itm_score.fc", 2, 8);
  return weights;
}

const sizes = [
  [16, 24],
  [24, 16],
  [16, 16],
  [8, 24],
] as const;
const ids = Int32Array.of(
  ...[2, 5, 6, 4, 8, 3, 0],
  ...[2, 9, 10, 3, 0, 0, 0],
  ...[2, 11, 12, 13, 14, 15, 3],
  ...[2, 16, 4, 17, 18, 3, 0],
);
const textMask = ids.map((id) => (id === 0 ? 0 : 1));
const pixelMask = new Int32Array(4 * 24 * 24);
const pixels = new Float64Array(4 * 3 * 24 * 24);
for (const [b, [height, width]] of sizes.entries())
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      pixelMask[(b * 24 + y) * 24 + x] = 1;
      for (let c = 0; c < 3; c++)
        pixels[((b * 3 + c) * 24 + y) * 24 + x] = Math.sin(0.21 * (x + 1) * (c + 1) + 0.13 * (y + 1) + 0.5 * b);
    }
const pixelValues = fromArray(pixels, [4, 3, 24, 24], exact);
const maskedLabels = new Int32Array(28).fill(-100);
[maskedLabels[3], maskedLabels[23]] = [7, 19];
const final = { layer: "final", beta: 0.5, iterations: 50 } as const;

function build(encoderEps: number): ViltForPretraining {
  const model = new ViltForPretraining({ ...config, encoderEps }, { rng: null, ...exact });
  loadPublishedWeights(model, sineWeights());
  return model;
}
const model = build(1e-12);
const lossesOf = (model: ViltForPretraining) =>
  model.losses(
    {
      ids,
      textMask,
      maskedIds: ids,
      maskedLabels,
      pixelValues,
      pixelMask,
      matchingPixelValues: pixelValues,
      matchingPixelMask: pixelMask,
      matchingLabels: Int32Array.of(1, 0, 1, 0),
    },
    { wordPatchAlignment: [{ ...final, weight: 0.1 }] },
  );

function close(t: Test, actual: ArrayLike<number>, expected: readonly number[], name: string, tolerance = 6e-7) {
  t.equal(actual.length, expected.length, `${name}: length`);
  const worst = Math.max(...expected.map((value, i) => Math.abs(value - actual[i]!)));
  t.ok(worst <= tolerance, `${name}: differs by ${worst}`);
}

t.test("golden model: embeddings, encoder, pooler and heads", async (t) => {
  t.equal(sineWeights().size, 54 - 8, "q, k and v of two layers are fused");
  t.equal(model.countParameters(), 4014);
  const out = noGrad(() => model.backbone.forward({ ids, textMask, pixelValues, pixelMask }));
  t.same(out.selection.length, 6);
  t.same(
    [...out.selection.mask],
    [...[1, 1, 1, 1, 1, 1], ...[1, 1, 1, 1, 1, 1], ...[1, 1, 1, 1, 0, 0], ...[1, 1, 1, 0, 0, 0]],
  );
  const row = (x: Tensor, ...index: number[]) => {
    const d = x.shape.at(-1)!;
    const at = index.reduce((flat, i, axis) => flat * x.shape[axis]! + i, 0) * d;
    return x.dataSync().subarray(at, at + d);
  };
  const positions = noGrad(() => model.backbone.patchEmbedding.positionsOfGrid(out.selection)); // [4, 9, 8]
  const channel0 = (b: number, cells: number[]) => cells.map((cell) => row(positions, b, cell)[0]!);
  close(t, channel0(0, [0, 1, 2, 3, 4, 5]), [-0.341983, 0.402234, -0.449257, -0.481625, 0.449451, -0.402497], "2×3");
  close(t, channel0(1, [0, 1, 3, 4, 6, 7]), [-0.341983, -0.449257, 0.481506, 0.497961, -0.481625, -0.402497], "3×2");
  t.same(channel0(1, [2, 5, 8]), [0, 0, 0], "no position beyond the image");
  close(t, row(out.embedding, 0, 1).subarray(0, 3), [-2.020733, -0.71927, 0.389218], "text position 1");
  close(t, row(out.embedding, 0, 7).subarray(0, 3), [1.258681, 1.00498, 0.61526], "image class token");
  close(t, row(out.embedding, 0, 8).subarray(0, 3), [-0.623369, 0.459796, -0.291088], "first patch");
  close(
    t,
    row(out.hidden, 0, 0),
    [0.076547, -0.928449, -0.629232, -1.672765, -0.102356, -0.493478, 2.052291, 1.354555],
    "x[0, 0]",
  );
  close(
    t,
    row(out.hidden, 2, 7),
    [-0.237095, -0.17281, 0.992699, 0.225587, 0.783358, -0.725014, -0.215209, -1.407306],
    "x[2, 7]",
  );
  const hidden = out.hidden.dataSync();
  let sum = 0;
  for (const [token, isReal] of out.mask.entries())
    if (isReal) for (let k = 0; k < 8; k++) sum += Math.abs(hidden[token * 8 + k]!);
  close(t, [sum], [251.594859], "Σ|x| over valid tokens");
  close(t, row(out.pooled, 0).subarray(0, 4), [0.725587, -0.476539, 0.945268, -0.797922], "pooled[0]");
  close(t, row(out.pooled, 2).subarray(0, 4), [0.686007, -0.403414, 0.933604, -0.75639], "pooled[2]");
  const matching = noGrad(() => model.imageTextMatchingHead.forward(out.pooled)).dataSync();
  close(
    t,
    matching,
    [0.454095, -0.767246, 0.454335, -0.766309, 0.451964, -0.771513, 0.452495, -0.770761],
    "ITM logits",
  );
  const words = noGrad(() => model.maskedLanguageModelingHead.forward(out.text));
  close(t, row(words, 0, 3).subarray(0, 5), [0.413253, 0.15414, 0.860747, -0.770168, 1.085582], "MLM logits [0, 3]");
  close(t, row(words, 3, 2).subarray(0, 5), [-0.44404, 0.951911, 0.148733, -0.167325, 0.611736], "MLM logits [3, 2]");
  t.same([...out.patchIndex.subarray(0, 12)], [0, 0, 0, 1, 0, 2, 1, 0, 1, 1, 1, 2]);
});

t.test("golden model: losses, distances and the plan", async (t) => {
  const losses = lossesOf(model);
  const [alignment] = losses.wordPatchAlignment;
  const { maskedLanguageModeling: masked, imageTextMatching: matching } = losses;
  close(t, [masked.loss.item()], [4.869255148], "MLM", 6e-10);
  close(t, [matching.loss.item()], [0.86939674], "ITM", 6e-10);
  close(t, alignment!.distances.dataSync(), [0.352684, 0.89, 1.006007, 0.44786], "OT distances");
  close(t, [alignment!.loss.item()], [0.000520782], "WPA", 6e-10);
  close(t, [losses.total.item()], [5.73917267], "total", 6e-10);
  t.same([...masked.labels], [7, 19], "the head ran on the labelled rows alone");
  t.same(masked.logits!.shape, [2, 20]);

  const [T, N] = [7, 7];
  const cost = alignment!.cost.dataSync();
  const recordedCost = [
    ...[0.068405, 0.289762, 0.627506, 0.067691, 0.179986, 0.66838],
    ...[1.206573, 1.567323, 0.550149, 1.185118, 1.571531, 0.565969],
    ...[0.556627, 0.008067, 1.098413, 0.564111, 0.0284, 1.258787],
    ...[0.953929, 1.650697, 0.380972, 0.931335, 1.588882, 0.333607],
  ];
  close(
    t,
    recordedCost.map((_, k) => cost[(1 + Math.floor(k / 6)) * N + 1 + (k % 6)]!),
    recordedCost,
    "cost",
  );
  const plan = alignment!.plan.dataSync();
  const recordedPlan = [
    ...[0.125117, 0.003604, 0, 0.03794, 0, 0, 0.166122, 0, 0, 0.166672, 0, 0.000416],
    ...[0.04241, 0.00972, 0, 0.114683, 0.082473, 0, 0.083878, 0, 0, 0.070004, 0, 0.096961],
  ];
  close(
    t,
    recordedPlan.map((_, k) => plan[(1 + Math.floor(k / 4)) * T + 1 + (k % 4)]!),
    recordedPlan,
    "plan",
  );

  const sharp = alignmentOf(matching.encoding, textMask, { layer: "final", beta: 0.1, iterations: 1000 });
  close(t, sharp.distances.dataSync(), [0.351989, 0.889115, 1.005366, 0.447864], "OT distances, β 0.1");
  const column = Array.from({ length: 6 }, (_, k) => sharp.plan.dataSync()[(1 + k) * T + 1]!);
  close(t, column, [1 / 6, 0, 0, 0, 1 / 12, 0], "column of word 1", 1e-4);
  const alpha = transportHeatMap(column, [2, 3], patchCoordinates(matching.encoding.selection).subarray(0, 12));
  t.same([...alpha], [1, 0, 0, 0, 0, 0], "heat map");
  t.same([...transportHeatMap([1, 1], [1, 2])], [0, 0], "a flat plan shows nothing");
});

t.test("golden model: the original's constants", async (t) => {
  const original = build(1e-6);
  close(t, [lossesOf(original).total.item()], [5.739172676], "total", 6e-10);
});

t.test("golden model: gradients", async (t) => {
  const model = build(1e-12);
  backward(lossesOf(model).total);
  const named = model.namedParameters();
  const gradOf = (published: string, ...index: number[]) => {
    const { parameter, shape } = publishedNames(model).find((weight) => weight.published === published)!;
    return named.get(parameter)!.grad!.dataSync()[index.reduce((flat, i, axis) => flat * shape[axis]! + i, 0)]!;
  };
  const gradients: [number, number][] = [
    [gradOf("transformer.cls_token", 0, 0, 0), -0.00672366],
    [gradOf("transformer.pos_embed", 0, 2, 2), -0.00232273],
    [gradOf("transformer.pos_embed", 0, 5, 2), 0],
    [gradOf("text_embeddings.word_embeddings.weight", 4, 1), 0.15527555],
    [gradOf("text_embeddings.position_embeddings.weight", 3, 5), 0.09747921],
    [gradOf("transformer.patch_embed.proj.weight", 3, 1, 2, 4), 0.00655776],
    [gradOf("token_type_embeddings.weight", 1, 6), -0.00009707],
    [gradOf("transformer.blocks.0.attn.qkv.weight", 0, 0), -0.00073947],
    [gradOf("transformer.blocks.1.attn.qkv.bias", 16 + 5), -0.01254607],
    [gradOf("transformer.blocks.1.mlp.fc1.weight", 9, 3), 0.01460971],
    [gradOf("transformer.norm.weight", 2), 0.2108163],
    [gradOf("pooler.dense.weight", 1, 1), -0.13666497],
    [gradOf("mlm_score.decoder.weight", 7, 0), 0.19889488],
    [gradOf("itm_score.fc.weight", 1, 4), -0.26527567],
  ];
  for (const [i, [actual, expected]] of gradients.entries()) close(t, [actual], [expected], `gradient ${i}`, 6e-9);
  const all = [...named.values()].flatMap(({ grad }) => [...(grad?.dataSync() ?? [])]);
  close(t, [Math.hypot(...all)], [4.09220458], "L2 norm", 6e-9);
  close(t, [all.reduce((sum, g) => sum + Math.abs(g), 0)], [84.527406], "L1 norm");
});
