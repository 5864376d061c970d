import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import t from "tap";
import { randAugmentOption } from "../../src/cli/options.ts";
import { invert } from "../../src/data/color-operations.ts";
import { EmojiScenes } from "../../src/data/emoji-scenes/emoji-scenes.ts";
import { FolderImages } from "../../src/data/folder.ts";
import { denormalizeImage, prepareImage, type RgbImage } from "../../src/data/image.ts";
import { encodePng } from "../../src/data/image-file.ts";
import {
  type AugmentOperationName,
  augmentLists,
  augmentOperations,
  augmentValue,
  drawOperations,
  randAugment,
} from "../../src/data/rand-augment.ts";
import { Tokenizer } from "../../src/data/tokenizer.ts";
import { Rng } from "../../src/tensor/rng.ts";
import { Batches } from "../../src/train/batches.ts";
import { resumeRun, train } from "../../src/train/run.ts";
import { type SettingChanges, trainingSettings } from "../../src/train/settings.ts";
import { bits, checkpointIn, range, startToyRun } from "../train/support.ts";

/** The picture of the fixtures in spec B: value = (37x + 59y + 83c + 11xy) mod 256. */
const fixture = (width: number, height = width): RgbImage => {
  const data = Uint8Array.from({ length: width * height * 3 }, (_, i) => {
    const [x, y, c] = [Math.floor(i / 3) % width, Math.floor(i / 3 / width), i % 3];
    return 37 * x + 59 * y + 83 * c + 11 * x * y;
  });
  return { data, width, height };
};
const names = Object.keys(augmentOperations) as AugmentOperationName[];
const sum = (values: Uint8Array) => values.reduce((a, b) => a + b, 0);

t.test("operations: sums and pixels that Pillow gives for a formula", async (t) => {
  const recorded: [AugmentOperationName, number, number, string][] = [
    ["Identity", 0, 615376, "215 73 187 45 159 17 131 245"],
    ["Equalize", 0, 635224, "224 73 195 46 162 17 133 253"],
    ["Rotate", 9, 572601, "171 7 99 191 207 54 157 4"],
    ["Rotate", -9, 572857, "171 51 187 67 203 83 61 186"],
    ["Posterize", 1, 308352, "128 0 128 0 128 0 128 128"],
    ["Posterize", 0.4, 308352, "128 0 128 0 128 0 128 128"],
    ["Solarize", 76.8, 354157, "40 73 68 45 96 17 124 10"],
    ["SolarizeAdd", 33, 294410, "7 106 35 78 63 50 91 0"],
    ["Color", 0.64, 613296, "174 97 146 69 172 41 144 204"],
    ["Color", 1.36, 612890, "255 48 227 20 145 0 117 255"],
    ["Contrast", 0.64, 614480, "184 93 166 75 148 57 130 203"],
    ["Brightness", 0.64, 391514, "137 46 119 28 101 10 83 156"],
    ["Sharpness", 0.64, 613432, "200 87 172 59 144 38 131 216"],
    ["Sharpness", 1.36, 613270, "229 58 201 30 173 0 131 255"],
    ["ShearX", 0.09, 588597, "73 187 45 159 17 131 245 103"],
    ["ShearY", -0.09, 588483, "215 204 51 154 1 104 207 54"],
    ["TranslateX", 30, 153676, "51 165 23 137 251 0 0 0"],
    ["TranslateY", -30, 153916, "0 0 0 0 0 0 0 0"],
  ];
  const reds = ({ data }: RgbImage) => range(8).map((i) => data[3 * (7 * 40 + 5 + i)]);
  for (const [name, value, total, row] of recorded) {
    const { data, width, height } = augmentOperations[name].apply(fixture(40), value);
    t.strictSame([width, height, sum(data), reds({ data, width, height }).join(" ")], [40, 40, total, row], name);
  }
  const faint = { ...fixture(40), data: fixture(40).data.map((v) => (v >> 1) + 40) };
  const stretched = augmentOperations.AutoContrast.apply(faint, 0);
  t.equal(sum(stretched.data), 612627);
  t.equal(reds(stretched).join(" "), "214 72 186 44 158 16 130 244");
});

t.test("the lists and what a magnitude means", async (t) => {
  const [original, slide] = [new Set<string>(augmentLists.original), new Set<string>(augmentLists.slide)];
  t.strictSame([original.size, slide.size, augmentLists.original.length, augmentLists.slide.length], [14, 14, 14, 14]);
  t.strictSame(
    [names.filter((name) => !slide.has(name)), names.filter((name) => !original.has(name))],
    [["SolarizeAdd"], ["Identity"]],
  );
  for (const removed of ["Invert", "Cutout"]) t.notOk(original.has(removed) || slide.has(removed), removed);
  const atNine = { Rotate: 9, Posterize: 1.2, Solarize: 76.8, SolarizeAdd: 33, ShearX: 0.09, TranslateY: 30 };
  for (const [name, value] of Object.entries(atNine)) t.equal(augmentValue(name as "Rotate", 9), value, name);
  for (const name of ["Color", "Contrast", "Brightness", "Sharpness"] as const)
    t.ok(Math.abs(augmentValue(name, 9) - 0.64) < 1e-12);
  for (const magnitude of [-1, 31, Number.NaN])
    t.throws(() => augmentValue("Rotate", magnitude), { name: "ConfigError", message: /magnitude of .* 0 to 30/ });
  t.throws(() => drawOperations({ operations: 1.5, rng: new Rng(0) }), { name: "ConfigError" });
});

t.test("draws: every operation as often, with replacement, either sign for geometric ones", async (t) => {
  const rng = new Rng(1);
  const counts = new Map<string, number>();
  let twice = 0;
  for (let i = 0; i < 7000; i++) {
    const [first, second] = drawOperations({ rng });
    twice += Number(first!.name === second!.name);
    for (const { name, value } of [first!, second!]) {
      const { signed } = augmentOperations[name];
      if (Math.abs(value) !== augmentValue(name, 9) || (value < 0 && !signed)) t.fail(`${name}: ${value}`);
      const key = signed ? `${name} ${Math.sign(value)}` : name;
      counts.set(key, (counts.get(key) ?? 0) + 1);
    }
  }
  t.equal(counts.size, 14 + 5);
  for (const [key, count] of counts) t.ok(Math.abs(count - (/ -?1$/.test(key) ? 500 : 1000)) < 120, `${key}: ${count}`);
  t.ok(Math.abs(twice - 500) < 100, `${twice} of 7000 pairs are of one operation`);
  t.strictSame(drawOperations({ rng: new Rng(5) }), drawOperations({ rng: new Rng(5) }));
  t.equal(drawOperations({ operations: 5, rng }).length, 5);
  const drawn = new Set(range(200).flatMap(() => drawOperations({ list: "slide", rng }).map(({ name }) => name)));
  t.ok(drawn.has("Identity") && !drawn.has("SolarizeAdd"));
  const picture = fixture(9);
  t.strictSame(randAugment(picture, { operations: 0, rng }), picture);
});

t.test("any picture keeps its size and its own bytes, however small or flat", async (t) => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 9 }),
      fc.integer({ min: 1, max: 9 }),
      fc.constantFrom(...names),
      fc.double({ min: 0, max: 30, noNaN: true }),
      fc.boolean(),
      (width, height, name, magnitude, negated) => {
        const picture = fixture(width, height);
        const before = Uint8Array.from(picture.data);
        const value = augmentValue(name, magnitude) * (negated && augmentOperations[name].signed ? -1 : 1);
        const changed = augmentOperations[name].apply(picture, value);
        return (
          changed.width === width &&
          changed.height === height &&
          changed.data.length === before.length &&
          before.every((v, i) => v === picture.data[i])
        );
      },
    ),
    { numRuns: 300 },
  );
  const flat = { data: new Uint8Array(75).fill(200), width: 5, height: 5 };
  for (const name of ["AutoContrast", "Equalize", "Color", "Sharpness", "Contrast"] as const)
    t.strictSame(augmentOperations[name].apply(flat, 0.3), flat, `${name} leaves a flat picture`);
  for (const name of ["Rotate", "ShearX", "ShearY", "TranslateX", "TranslateY"] as const)
    t.strictSame(augmentOperations[name].apply(fixture(7), 0), fixture(7), `${name} by 0`);
  t.strictSame(invert(invert(fixture(7))), fixture(7));
  const empty = { data: new Uint8Array(0), width: 0, height: 0 };
  for (const name of names) t.equal(augmentOperations[name].apply(empty, 1).data.length, 0, `${name} of nothing`);
});

t.test("a folder augments the decoded picture before the resize, each time anew", async (t) => {
  const folder = t.testdir({});
  const picture = fixture(40, 30);
  await writeFile(join(folder, "a.png"), await encodePng(picture));
  const lines = ["x", "y"].map((caption) => JSON.stringify({ image: "a.png", caption, split: "train" }));
  await writeFile(join(folder, "captions.jsonl"), lines.join("\n"));
  const size = { shorter: 16, divisor: 8 };
  const images = await FolderImages.open(folder, size);
  const plain = await images.sample("train", 0);
  const given: RgbImage[] = [];
  const augment = (decoded: RgbImage) => {
    given.push(decoded);
    return invert(decoded);
  };
  for (const index of [0, 1, 0])
    t.strictSame((await images.sample("train", index, { augment })).image, prepareImage(invert(picture), size).image);
  t.strictSame(given, [picture, picture, picture]);
  t.equal(given[2], given[0], "it was decoded once");
  t.strictSame((await images.sample("train", 0)).image, plain.image, "without, nothing has changed");
});

t.test("emoji scenes augment the drawn picture, also of hard negatives", async (t) => {
  const scenes = new EmojiScenes({ level: "hard" });
  for (const of of [
    (options = {}) => scenes.sample("train", 3, options),
    (options = {}) => scenes.hardNegative("thing", "train", 3, options)!,
  ]) {
    const [plain, inverted] = [of(), of({ augment: invert })];
    t.strictSame(denormalizeImage(inverted), invert(denormalizeImage(plain)));
    t.strictSame({ ...inverted, image: 0 }, { ...plain, image: 0 });
  }
});

t.test("training: the settings and the step decide every bit", async (t) => {
  const scenes = new EmojiScenes({ level: "hard", height: 32, width: 32 });
  const tokenizer = new Tokenizer(scenes.vocabulary(99));
  const of = (changes: SettingChanges = {}) => {
    const settings = trainingSettings("toy", { steps: 20, batchSize: 8, ...changes });
    return new Batches({
      dataset: scenes,
      tokenizer,
      settings,
      seed: 1,
      maxTextLength: 20,
      patchSize: 12,
      truncate: false,
    });
  };
  const randAugment = { operations: 2, magnitude: 9 };
  const changes = { randAugment, hardNegatives: 1, pairing: "drawn" } as const;
  const [one, other, plain] = [of(changes), of(changes), of({ hardNegatives: 1, pairing: "drawn" })];
  const forward = [await one.at(3), await one.at(11)];
  t.ok(bits([await other.at(11), await other.at(3)].reverse()).equals(bits(forward)), "in any order");
  for (const [i, step] of [3, 11].entries()) {
    const { images, matchingImages, ...rest } = forward[i]!;
    const { images: before, matchingImages: matchingBefore, ...same } = await plain.at(step);
    t.ok(bits(rest).equals(bits(same)), "captions, masks and pairs are as without");
    const length = images.pixelValues.length / 8;
    const row = (batch: { pixelValues: Float32Array }, b: number) =>
      bits(batch.pixelValues.slice(b * length, (b + 1) * length));
    const changed = range(8).filter((b) => !row(images, b).equals(row(before, b)));
    t.ok(changed.length >= 6, `${changed.length} of 8 pictures changed`);
    const wrong = range(8).filter((b) => !row(matchingImages, b).equals(row(matchingBefore, b)));
    t.ok(wrong.length >= 6, `${wrong.length} of 8 pictures to match with changed`);
    for (const b of range(8))
      if (rest.matchingLabels[b] === 1) t.ok(row(images, b).equals(row(matchingImages, b)), "one picture, one change");
  }
  const slide = of({ ...changes, randAugment: { ...randAugment, list: "slide" } });
  t.notOk(bits(await slide.at(3)).equals(bits(forward[0])), "the list matters");
  t.equal(trainingSettings("toy").randAugment, null);
  t.strictSame(trainingSettings("toy", { randAugment }).randAugment, { ...randAugment, list: "original" });
  for (const wrong of [{ operations: 0 }, { magnitude: 31 }, { list: "other" }, { seed: 1 }])
    t.throws(() => trainingSettings("toy", { randAugment: { ...randAugment, ...wrong } as typeof randAugment }), {
      name: "ConfigError",
      message: /randAugment/,
    });
});

t.test("a run that is stopped and resumed ends with the bits of one that was not", async (t) => {
  const folder = t.testdir({});
  const settings = { steps: 4, batchSize: 4, randAugment: { operations: 2, magnitude: 9, list: "slide" } } as const;
  const options = { checkpointEvery: 100 };
  const [whole, stopped] = [
    await startToyRun(join(folder, "a"), settings),
    await startToyRun(join(folder, "b"), settings),
  ];
  t.ok(await train(whole, options));
  t.notOk(await train(stopped, { ...options, shouldStop: () => stopped.pretrainer.step === 2 }));
  t.ok(await train(await resumeRun(join(folder, "b")), options));
  t.ok(checkpointIn(join(folder, "a")).equals(checkpointIn(join(folder, "b"))));
});

t.test("the command line's option", async (t) => {
  t.strictSame(randAugmentOption("2,9"), { operations: 2, magnitude: 9 });
  t.strictSame(randAugmentOption("1,4.5,slide"), { operations: 1, magnitude: 4.5, list: "slide" });
  for (const text of ["", "2", "0,9", "2,31", "2,9,mine", "2,-1", "1.5,9", "2, 9", "2,9,"])
    t.throws(() => randAugmentOption(text), { message: /a magnitude up to 30 are needed/ }, JSON.stringify(text));
});
