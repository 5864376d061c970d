import fc from "fast-check";
import t from "tap";
import {
  captionFits,
  collate,
  collateImages,
  drawnPairs,
  padRows,
  previousRow,
  selectImages,
} from "../../src/data/batch.ts";
import type { Sample } from "../../src/data/dataset.ts";
import { EmojiScenes } from "../../src/data/emoji-scenes/emoji-scenes.ts";
import { Tokenizer } from "../../src/data/tokenizer.ts";
import { Rng } from "../../src/tensor/rng.ts";

const emoji = new EmojiScenes();
const tokenizer = new Tokenizer(emoji.vocabulary(53));
const range = (n: number) => [...Array(n).keys()];
const named = (...names: string[]): Sample => {
  const box = { x: 0, y: 0, width: 1, height: 1 };
  const things = names.map((noun) => ({ noun, box, words: [0, 1] as const }));
  return {
    image: new Float32Array(3),
    height: 1,
    width: 1,
    caption: "",
    picture: `${Math.random()}`,
    record: "",
    things,
  };
};

t.test("collate: every picture and caption can be read back, the rest is zero", async (t) => {
  const sample = fc.record({
    height: fc.integer({ min: 1, max: 5 }),
    width: fc.integer({ min: 1, max: 5 }),
    ids: fc.array(fc.integer({ min: 1, max: 52 }), { minLength: 1, maxLength: 6 }),
  });
  fc.assert(
    fc.property(fc.array(sample, { minLength: 1, maxLength: 5 }), (sizes) => {
      const samples = sizes.map((s) => ({
        ...s,
        image: Float32Array.from(range(3 * s.height * s.width), (i) => 0.5 + i),
      }));
      const batch = collate(samples, 0);
      const [T, H, W] = [batch.length, batch.height, batch.width];
      return samples.every(({ image, height, width, ids }, b) => {
        const text = batch.ids.subarray(b * T, b * T + T);
        const pixels = range(3 * H * W).every((i) => {
          const [c, y, x] = [Math.floor(i / (H * W)), Math.floor(i / W) % H, i % W];
          const inside = y < height && x < width;
          const mask = batch.pixelMask[(b * H + y) * W + x];
          return (
            mask === Number(inside) &&
            batch.pixelValues[b * 3 * H * W + i] === (inside ? image[(c * height + y) * width + x] : 0)
          );
        });
        const masked = range(T).every((i) => batch.textMask[b * T + i] === Number(i < ids.length));
        return (
          pixels &&
          masked &&
          range(T).every((i) => text[i] === (ids[i] ?? 0)) &&
          T === Math.max(...sizes.map((s) => s.ids.length))
        );
      });
    }),
    { numRuns: 60 },
  );
  t.strictSame([...padRows([[1, -100], [2]], -100).values], [1, -100, 2, -100]);
  t.throws(() => collate([], 0), { name: "DataError", message: /the batch is empty/ });
  t.throws(() => collateImages([{ image: new Float32Array(5), height: 1, width: 2 }]), {
    message: /picture 0 has 5 numbers, 3×1×2/,
  });
  const scenes = range(8).map((i) => emoji.sample("train", i));
  const batch = collate(
    scenes.map((scene) => ({ ...scene, ids: tokenizer.encode(scene.caption).ids })),
    tokenizer.padId,
  );
  const turned = selectImages(batch, [7, 7, 0]);
  t.strictSame([turned.size, turned.height, turned.width], [3, 48, 48]);
  for (const [b, row] of [7, 7, 0].entries())
    t.equal(
      Buffer.compare(
        Buffer.from(turned.pixelValues.buffer, b * 4 * 6912, 4 * 6912),
        Buffer.from(scenes[row]!.image.buffer),
      ),
      0,
    );
});

t.test("pairs by row: half matched, the others take the row before, and no false label", async (t) => {
  const rows = ["cat", "dog", "pig", "cow", "hen", "fox"].map((noun) => named(noun));
  t.strictSame(previousRow(rows), { labels: Int32Array.of(1, 1, 1, 0, 0, 0), imageOf: [0, 1, 2, 2, 3, 4], draws: [] });
  const same = [named("cat"), named("dog"), named("cat", "dog"), named("dog")];
  t.strictSame(previousRow(same).imageOf, [0, 1, 1, 0], "a picture that shows all that is named is passed over");
  t.strictSame(previousRow([named("cat"), named("cat")]).labels, Int32Array.of(1, 1));
  t.ok(captionFits(named("cat"), named("dog", "cat")) && !captionFits(named("dog", "cat"), named("cat")));
  const { things, ...unknown } = named("cat");
  t.ok(
    things && !captionFits(unknown, named("cat")) && captionFits(unknown, unknown),
    "without things: the same picture",
  );
  for (let at = 0; at < 640; at += 64) {
    const scenes = range(64).map((i) => emoji.sample("train", at + i, { progress: 0 }));
    const { labels, imageOf } = previousRow(scenes);
    t.equal(
      labels.reduce((a, b) => a + b),
      32,
    );
    t.ok(scenes.every((scene, b) => captionFits(scene, scenes[imageOf[b]!]!) === (labels[b] === 1)));
  }
});

t.test("pairs drawn as the original: exactly half, in random places, pictures from the whole set", async (t) => {
  const rng = new Rng(5);
  const places = new Set<string>();
  for (const B of [1, 2, 7, 16]) {
    for (let i = 0; i < 20; i++) {
      const { labels, imageOf, draws } = drawnPairs(B, 30, rng);
      t.equal(
        labels.reduce((a, b) => a + b, 0),
        Math.floor(B / 2),
      );
      t.equal(draws.length, B - Math.floor(B / 2));
      t.ok(draws.every((index) => index >= 0 && index < 30));
      t.strictSame(
        imageOf.filter((row) => row >= B),
        range(draws.length).map((k) => B + k),
      );
      t.ok(imageOf.every((row, b) => (row === b) === (labels[b] === 1)));
      places.add(labels.join());
    }
  }
  t.ok(places.size > 25);
  t.ok(drawnPairs(4, Infinity, rng).draws.every(Number.isInteger));
});
