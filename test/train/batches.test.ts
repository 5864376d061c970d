import t from "tap";
import { wholeWordGroups } from "../../src/data/masking.ts";
import { Tokenizer } from "../../src/data/tokenizer.ts";
import { Rng } from "../../src/tensor/rng.ts";
import { Batches, type HostBatch, uploadBatch, uploadPairs } from "../../src/train/batches.ts";
import { openDataset } from "../../src/train/data-source.ts";
import { Pretrainer } from "../../src/train/pretrainer.ts";
import { type TrainingSettings, trainingSettings } from "../../src/train/settings.ts";
import { syntheticBatch } from "../../src/train/synthetic-batch.ts";
import { getPreset } from "../../src/vilt/config.ts";
import { exact } from "../support.ts";
import { bits, ListedImages, listed, range } from "./support.ts";

const { model: config, wordPatchAlignment } = getPreset("toy");
const scenes = await openDataset("emoji-scenes", config, 1);
const tokenizer = new Tokenizer(scenes.vocabulary(config.vocabularySize));
const some = { steps: 20, batchSize: 8 };

function ofScenes(changes: Partial<TrainingSettings> = {}, seed = 1): Batches {
  const settings = trainingSettings("toy", { ...some, ...changes });
  return new Batches({ dataset: scenes, tokenizer, settings, seed, maxTextLength: 16, patchSize: 12, truncate: false });
}

function ofList(dataset: ListedImages, changes: Partial<TrainingSettings> = {}, { truncate = false, limit = 16 } = {}) {
  const words = new Tokenizer(dataset.vocabulary(99));
  const settings = trainingSettings("toy", { ...some, ...changes });
  return new Batches({ dataset, tokenizer: words, settings, seed: 1, maxTextLength: limit, patchSize: 16, truncate });
}

/** The numbers of picture `b`. */
const picture = ({ pixelValues, size }: HostBatch["images"], b: number) =>
  Buffer.from(pixelValues.slice((b * pixelValues.length) / size, ((b + 1) * pixelValues.length) / size).buffer);

t.test("a batch depends on the seed, the settings and its step, not on what was asked for before", async (t) => {
  for (const pairing of ["previous", "drawn"] as const) {
    const one = ofScenes({ pairing });
    const forward = [await one.at(0), await one.at(7), await one.at(8)];
    const other = ofScenes({ pairing });
    const backward = [await other.at(8), await other.at(7), await other.at(0)];
    t.ok(bits(backward.reverse()).equals(bits(forward)), pairing);
    t.notSame(forward[1]!.texts, forward[2]!.texts);
    t.notSame((await ofScenes({ pairing }, 2).at(7)).maskedIds, forward[1]!.maskedIds);
  }
  const [early, late] = [await ofScenes().at(4), await ofScenes({ maskProbability: 0.9 }).at(4)];
  t.strictSame(early.texts, late.texts);
  t.notSame(early.maskedLabels, late.maskedLabels);
});

t.test("an epoch shows every sample once, and each is told how far training is", async (t) => {
  const dataset = new ListedImages(range(6).map((i) => listed(`${"abcdef"[i]}`, { value: i / 10 })));
  const batches = ofList(dataset, { batchSize: 4, steps: 8 });
  const seen: number[] = [];
  for (const step of range(6)) {
    const { images } = await batches.at(step);
    seen.push(...range(4).map((b) => Math.round(10 * images.pixelValues[b * 3 * 256]!)));
  }
  for (const epoch of range(4)) t.strictSame(seen.slice(6 * epoch, 6 * epoch + 6).sort(), range(6));
  t.strictSame(
    dataset.progress,
    range(24).map((i) => Math.floor(i / 4) / 8),
  );
});

t.test("exactly half of the pictures are exchanged for matching, and the labels say which", async (t) => {
  for (const pairing of ["previous", "drawn"] as const) {
    const batches = ofScenes({ pairing });
    for (const step of range(8)) {
      const { images, matchingImages, matchingLabels } = await batches.at(step);
      t.equal(
        matchingLabels.reduce((a, b) => a + b),
        4,
      );
      for (const b of range(8))
        t.equal(picture(images, b).equals(picture(matchingImages, b)), matchingLabels[b] === 1, `${pairing}, ${step}`);
      if (pairing === "previous")
        for (const b of [4, 5, 6, 7])
          t.ok(
            range(b).some((row) => picture(images, row).equals(picture(matchingImages, b))),
            "of this batch",
          );
    }
  }
});

t.test("hard negatives: from half-way on, the caption's own picture with one point changed", async (t) => {
  const hardScenes = await openDataset("emoji-scenes-hard", config, 1);
  for (const [dataset, part, pairing] of [
    [scenes, 1, "previous"],
    [scenes, 0.5, "drawn"],
    [hardScenes, 1, "previous"],
  ] as const) {
    const words = new Tokenizer(dataset.vocabulary(200));
    const options = { dataset, tokenizer: words, seed: 1, maxTextLength: 20, patchSize: 8, truncate: false };
    const settings = trainingSettings("toy", { ...some, pairing });
    const [plain, hard] = [0, part].map(
      (hardNegatives) => new Batches({ ...options, settings: { ...settings, hardNegatives } }),
    ) as [Batches, Batches];
    for (const step of [0, 9]) t.ok(bits(await hard.at(step)).equals(bits(await plain.at(step))), "none before");
    let changed = 0;
    for (const step of range(10).map((i) => 10 + i)) {
      const [batch, { matchingImages, matchingLabels, ...rest }] = [await hard.at(step), await plain.at(step)];
      t.ok(bits({ ...batch, matchingImages: 0 }).equals(bits({ ...rest, matchingImages: 0, matchingLabels })));
      for (const b of range(8)) {
        const shown = picture(batch.matchingImages, b);
        const negatives = dataset.changes!.map((change) =>
          dataset.hardNegative!(change, "train", 8 * step + b, { progress: step / 20 }),
        );
        const isHard = negatives.some((negative) => negative && shown.equals(Buffer.from(negative.image.buffer)));
        if (isHard) t.equal(matchingLabels[b], 0);
        else if (part === 1 && matchingLabels[b] === 0) t.ok(negatives.includes(null), "nothing else could be changed");
        if (!isHard) t.ok(shown.equals(picture(matchingImages, b)));
        changed += Number(isHard);
      }
    }
    if (dataset === scenes) t.ok(part === 1 ? changed === 40 : changed > 8 && changed < 32, `${changed} of 40`);
    else t.ok(changed >= 20, `${changed} of 40`);
  }
});

t.test("drawn pictures keep their size: all of a step are padded alike, masked where there is nothing", async (t) => {
  const sizes = [8, 16, 24, 32];
  const dataset = new ListedImages(
    range(8).map((i) => listed(`w${i}`, { height: sizes[i % 4]!, width: sizes[(i + 1) % 4]!, value: 1 + i })),
  );
  const batch = await ofList(dataset, { pairing: "drawn", batchSize: 8 }).at(0);
  for (const { size, height, width, pixelMask, pixelValues } of [batch.images, batch.matchingImages]) {
    t.strictSame([size, height, width], [8, 32, 32]);
    for (const b of range(8)) {
      const covered = pixelMask.slice(b * 1024, b * 1024 + 1024);
      const values = pixelValues.slice(3 * b * 1024, 3 * b * 1024 + 1024);
      const sample = dataset.samples[values[0]! - 1]!;
      t.ok(covered.every((mask, k) => mask === Number(k >> 5 < sample.height && (k & 31) < sample.width)));
      t.ok(values.every((value, k) => (value !== 0) === (covered[k] === 1)));
    }
  }
  const { pixelMask, matchingPixelMask, pixelValues } = uploadBatch(batch, exact);
  t.ok(bits([pixelMask, matchingPixelMask]).equals(bits([batch.images.pixelMask, batch.matchingImages.pixelMask])));
  t.strictSame([pixelValues.shape, pixelValues.dtype, pixelValues.device], [[8, 3, 32, 32], "float64", "cpu"]);
  t.notOk("pixelMask" in uploadBatch(await ofScenes().at(0)), "no mask where nothing is padded");
  const { images } = await ofScenes().at(0);
  const pairs = uploadPairs([{ ids: [2, 9, 3] }, ...range(7).map(() => ({ ids: [2, 3] }))], images, 0, exact);
  t.strictSame([...pairs.ids.slice(0, 6), ...pairs.textMask.slice(0, 6)], [2, 9, 3, 2, 3, 0, 1, 1, 1, 1, 1, 0]);
});

t.test("masked are whole words of text, labelled with what stood there", async (t) => {
  const words = ["sunflower", "a", "big", "watermelon", "of", "rain"];
  const dataset = new ListedImages(range(8).map((i) => listed(words.slice(i % 4, (i % 4) + 3).join(" "))));
  const vocabulary = dataset.vocabulary(99);
  const batches = ofList(dataset, { maskProbability: 0.4 });
  const instead = { mask: 0, same: 0, other: 0 };
  for (const step of range(100)) {
    const { texts, maskedIds, maskedLabels } = await batches.at(step);
    const T = texts.ids.length / 8;
    for (const b of range(8)) {
      const row = (values: Int32Array) => [...values.slice(b * T, b * T + T)];
      const [ids, masked, labels] = [row(texts.ids), row(maskedIds), row(maskedLabels)];
      const length = row(texts.textMask).reduce((a, c) => a + c);
      const groups = wholeWordGroups(ids.slice(0, length).map((id) => vocabulary[id]!));
      const chosen = range(T).filter((i) => labels[i] !== -100);
      const whole = groups.filter((group) => group.some((i) => chosen.includes(i))).flat();
      if (chosen.length < 1 || chosen.length > Math.round(0.4 * length)) t.fail(`${chosen.length} of ${length} masked`);
      if (chosen.some((i) => labels[i] !== ids[i])) t.fail("a label is not what stood there");
      if (range(T).some((i) => !chosen.includes(i) && masked[i] !== ids[i])) t.fail("changed without a label");
      if (whole.join() !== chosen.join()) t.fail(`a part of a word, or no word: ${chosen} of ${ids}`);
      for (const i of chosen) instead[masked[i] === 4 ? "mask" : masked[i] === ids[i] ? "same" : "other"]++;
    }
  }
  const total = instead.mask + instead.same + instead.other;
  t.ok(total > 800);
  t.ok(Math.abs(instead.mask / total - 0.8) < 0.05 && instead.other > 0 && instead.same > 0, "80, 10 and 10 per cent");
});

t.test("a caption that is too long is an error that names its record, or is cut", async (t) => {
  const dataset = new ListedImages([...range(3).map((i) => listed(`a b ${i}`)), listed("a b c d e f g")]);
  await t.rejects(ofList(dataset, { batchSize: 4 }, { limit: 6 }).at(0), {
    name: "DataError",
    message: 'the sample "a b c d e f g": the caption "a b c d e f g" has 9 tokens, the limit is 6',
  });
  const { texts } = await ofList(dataset, { batchSize: 4 }, { limit: 6, truncate: true }).at(0);
  t.equal(texts.ids.length, 4 * 6);
  t.ok(
    range(4).some((b) => texts.ids[6 * b + 5] === 3),
    "the cut one ends with [SEP]",
  );
});

t.test("masked patches: a part of the batch's own pictures, with their brightness", async (t) => {
  const { maskedPatches: none } = await ofScenes({}).at(0);
  t.equal(none, undefined);
  const batches = ofScenes({ maskedPatches: true });
  const { images, maskedPatches } = await batches.at(0);
  const { selected, hidden, brightness } = maskedPatches!;
  const patches = Math.floor(images.height / 12) * Math.floor(images.width / 12) * images.size;
  t.same([selected.length, hidden.length, brightness.length], [patches, patches, 3 * patches]);
  const share = range(40).map(async (step) => Array.from((await batches.at(step)).maskedPatches!.selected));
  const drawn = (await Promise.all(share)).flat();
  const mean = drawn.reduce((sum, value) => sum + value, 0) / drawn.length;
  t.ok(Math.abs(mean - 0.15) < 4 * (0.15 * 0.85) ** 0.5 * drawn.length ** -0.5, `${mean} of ${drawn.length}`);
  let sum = 0;
  for (let y = 0; y < 12; y++) for (let x = 0; x < 12; x++) sum += images.pixelValues[y * images.width + x]! / 2 + 0.5;
  t.equal(brightness[0], Math.trunc((sum / 144) * 255), "the first patch's red");
});

t.test("without whole words, pieces of a word are masked by themselves", async (t) => {
  const cut = async (wholeWords: boolean) => {
    let parted = 0;
    for (const step of range(60)) {
      const { texts, maskedLabels } = await ofScenes({ wholeWords }).at(step);
      for (const [i, id] of texts.ids.entries())
        if (tokenizer.vocabulary[id]!.startsWith("##"))
          parted += Number(maskedLabels[i]! >= 0 !== maskedLabels[i - 1]! >= 0);
    }
    return parted;
  };
  t.equal(await cut(true), 0);
  t.ok((await cut(false)) > 10);
});

t.test("a batch of noise to count by is a batch that can be trained on", async (t) => {
  const batch = syntheticBatch(config, 4, new Rng(1));
  t.ok(bits(syntheticBatch(config, 4, new Rng(1))).equals(bits(batch)));
  t.strictSame([...batch.matchingLabels], [1, 1, 0, 0]);
  const masked = batch.maskedLabels.filter((label) => label >= 0).length;
  t.equal(masked, batch.maskedIds.filter((id) => id === 4).length);
  t.ok(batch.maskedLabels.every((label, i) => label === -100 || label === batch.texts.ids[i]));
  const settings = trainingSettings("toy", some);
  const metrics = await new Pretrainer({ model: config, wordPatchAlignment, settings, seed: 1 }).train(batch);
  t.ok(Math.abs(metrics.mlmLoss - Math.log(200)) < 1 && Math.abs(metrics.itmLoss - Math.log(2)) < 0.3);
  t.ok(metrics.gradNorm > 0 && Number.isFinite(metrics.loss));
});
