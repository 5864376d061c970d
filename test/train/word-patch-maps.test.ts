import t from "tap";
import "../../src/tensor/devices.ts";
import { EmojiScenes } from "../../src/data/emoji-scenes/emoji-scenes.ts";
import { Tokenizer } from "../../src/data/tokenizer.ts";
import { Rng } from "../../src/tensor/rng.ts";
import { rollout, wordPatchMaps } from "../../src/train/word-patch-maps.ts";
import { getPreset } from "../../src/vilt/config.ts";
import { ViltForPretraining } from "../../src/vilt/pretraining.ts";
import { alignmentPage } from "../../src/viz/alignment-page.ts";

t.test("rollout: half of each token passes by every layer", async (t) => {
  const swap = [Float64Array.of(0, 1), Float64Array.of(1, 0)];
  const stay = [Float64Array.of(1, 0), Float64Array.of(0, 1)];
  const first = [Float64Array.of(1, 0), Float64Array.of(1, 0)];
  t.same(rollout([stay]), stay);
  t.same(rollout([swap]), [Float64Array.of(0.5, 0.5), Float64Array.of(0.5, 0.5)]);
  // ½ (swap + I) · ½ (first + I) = [[½, ½], [½, ½]] · [[1, 0], [½, ½]]
  t.same(rollout([first, swap]), [Float64Array.of(0.75, 0.25), Float64Array.of(0.75, 0.25)]);
});

t.test("maps: one for the plan, one for each layer, one for the rollout, all between 0 and 1", async (t) => {
  const { model: config } = getPreset("tiny");
  const model = new ViltForPretraining(config, { rng: new Rng(1) });
  const scenes = new EmojiScenes();
  const tokenizer = new Tokenizer(scenes.vocabulary(53));
  const sample = scenes.sample("validation", 1);
  const encoding = tokenizer.encode(sample.caption);
  const spans = sample.things.map(({ words }) => words);
  const settings = { layer: "final", beta: 0.5, iterations: 50 } as const;
  const maps = await wordPatchMaps({ sample, encoding }, model.backbone, tokenizer.padId, settings, spans);
  t.same(
    maps.map(({ name }) => name),
    ["transport plan, final layer", ...[1, 2, 3].map((layer) => `attention, layer ${layer}`), "attention rollout"],
  );
  for (const { name, visibility } of maps) {
    t.equal(visibility.length, spans.length, name);
    for (const row of visibility) {
      t.equal(row.length, 16, name);
      t.ok(
        row.every((value) => value >= 0 && value <= 1),
        name,
      );
    }
  }
  for (const { name, visibility } of maps.slice(1))
    for (const row of visibility) t.equal(Math.max(...row), 1, `${name}: the strongest patch is shown in full`);
});

t.test("page: every word and patch can be clicked, text is escaped, nothing is loaded from elsewhere", async (t) => {
  const html = alignmentPage({
    ...{ picture: "data:,", width: 6, height: 4, grid: [2, 3], patchSize: 2, words: ["</script>", "a&b"] },
    maps: [
      { name: "<plan>", visibility: [Array(6).fill(0), Array(6).fill(1 / 3)] },
      { name: "other", visibility: [Array(6).fill(1), Array(6).fill(0)] },
    ],
  });
  t.equal(html.match(/data-patch="\d+"/g)!.length, 6);
  t.equal(html.match(/data-word="\d+"/g)!.length, 2);
  t.equal(html.match(/<\/script>/g)!.length, 1, "the word does not end the script");
  t.notMatch(html, /<plan>/);
  t.notMatch(html, /https?:/);
  const [, json] = /const maps = (.*);/.exec(html)!;
  t.same(JSON.parse(json!), [
    [Array(6).fill(0), Array(6).fill(0.3333)],
    [Array(6).fill(1), Array(6).fill(0)],
  ]);
});
