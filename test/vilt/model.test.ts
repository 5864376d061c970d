import fc from "fast-check";
import t from "tap";
import { noGrad } from "../../src/autograd/graph.ts";
import type { HostArray } from "../../src/nn/module.ts";
import { fromArray } from "../../src/tensor/create.ts";
import { Rng } from "../../src/tensor/rng.ts";
import { getPreset, parseViltConfig, positionGrid, presetNames } from "../../src/vilt/config.ts";
import { Vilt, type ViltInput } from "../../src/vilt/model.ts";
import { ViltForPretraining } from "../../src/vilt/pretraining.ts";
import { loadPublishedWeights, publishedNames, publishedWeights } from "../../src/vilt/weights/weights.ts";
import { draw, exact, values } from "../support.ts";
import { config, input } from "./support.ts";

const build = (changes = {}) => new Vilt({ ...config, ...changes }, { rng: new Rng("model"), ...exact });
const vilt = build();

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
