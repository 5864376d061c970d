import t from "tap";
import "../../src/tensor/devices.ts";
import { getPreset } from "../../src/vilt/config.ts";
import { modelCost, statedPair } from "../../src/vilt/cost.ts";

const b32 = getPreset("b32").model;

t.test("ViLT-B/32: the numbers of specification §1.3 and §1.4", async (t) => {
  const cost = modelCost(b32);
  t.same(cost.size, { textTokens: 40, patches: 240, keptPatches: 200 });
  t.equal(cost.parameters, 111_595_008);
  t.equal(cost.paperParameters, 87_414_528);
  const parameters = Object.fromEntries(cost.parts.map(({ part, parameters }) => [part, parameters]));
  t.match(parameters, {
    "text embedding": 23_474_688,
    "class token and patch positions": 768 + 111_360,
    "patch projection": 2_360_064,
    "modality types": 1536,
    "layer 12": 7_087_872,
    "final LayerNorm": 1536,
    pooler: 590_592,
  });
  t.equal((cost.flops / 1e9).toFixed(2), "44.21");
  t.equal((cost.paperFlops / 1e9).toFixed(2), "55.86");
  const without = cost.flops - cost.parts.find(({ part }) => part === "patch projection")!.flops;
  t.equal((without / 1e9).toFixed(2), "43.08");
  const all = modelCost(b32, { textTokens: 40, patches: 240, keptPatches: 240 });
  t.equal((all.flops / 1e9).toFixed(2), "51.78");
  const real = modelCost(b32, { textTokens: 40, patches: 228, keptPatches: 200 });
  t.equal((real.flops / 1e9).toFixed(2), "44.16", "the largest image that the size rule gives");
});

t.test("small presets keep all patches of their own picture", async (t) => {
  t.same(statedPair(getPreset("tiny").model), { textTokens: 16, patches: 16, keptPatches: 16 });
  const { parts, flops } = modelCost(getPreset("toy").model);
  const N = 16 + 1 + 16;
  const layers = 2 * 2 * (12 * N * 64 ** 2 + 2 * N ** 2 * 64);
  t.equal(flops, layers + 2 * 16 * 192 * 64 + 2 * 64 ** 2);
  t.equal(parts.length, 4 + 2 + 2);
});
