import { writeFileSync } from "node:fs";
import path from "node:path";
import sharp from "sharp";
import t from "tap";
import type { CaptionedImages, Sample, Thing } from "../../src/data/dataset.ts";
import { Tokenizer } from "../../src/data/tokenizer.ts";
import { setParameter } from "../../src/nn/module.ts";
import { fromArray } from "../../src/tensor/create.ts";
import { Rng } from "../../src/tensor/rng.ts";
import { alignmentPicture } from "../../src/train/alignment-picture.ts";
import { openDataset } from "../../src/train/data-source.ts";
import { embedPair } from "../../src/train/embedding.ts";
import type { EncodedSample, EvaluationOptions } from "../../src/train/evaluation/context.ts";
import { evaluate } from "../../src/train/evaluation/evaluation.ts";
import { thingsInText, tokensOfWords } from "../../src/train/evaluation/masked-words.ts";
import { massOf, plansOf } from "../../src/train/evaluation/pointing.ts";
import { readPair } from "../../src/train/pair.ts";
import { getPreset, type ViltConfig } from "../../src/vilt/config.ts";
import { ViltForPretraining } from "../../src/vilt/pretraining.ts";
import { values } from "../support.ts";
import { bits, ListedImages, listed, range } from "./support.ts";

const { model: toy, wordPatchAlignment } = getPreset("toy");

/** An untrained model for a data set, with pictures of 16×16 in patches of 8 unless `changes` say otherwise. */
function optionsFor(dataset: CaptionedImages, changes: Partial<ViltConfig> = {}): EvaluationOptions {
  const tokenizer = new Tokenizer(dataset.vocabulary(toy.vocabularySize));
  const size = { imageSize: [16, 16] as [number, number], vocabularySize: tokenizer.vocabulary.length };
  const model = new ViltForPretraining({ ...toy, ...size, ...changes }, { rng: new Rng("untrained") });
  const counts = { split: "validation", samples: 1000, pool: 50 };
  return { model, tokenizer, dataset, ...counts, wordPatchAlignment, truncate: false, seed: 1 };
}

/** Makes a head answer the same whatever it is shown: the logits of its bias. */
function answer({ model }: EvaluationOptions, head: "matching" | "words", logits: readonly number[]): void {
  const layer = head === "matching" ? model.imageTextMatchingHead.dense : model.maskedLanguageModelingHead.decoder;
  setParameter(layer.weight, { data: new Float32Array(layer.weight.value.size) });
  setParameter(layer.bias!, { data: Float32Array.from(logits) });
}
/** Makes the matching head answer by rule: the logit of "belongs" for the last word's token and the picture's value. */
function answerBy({ model }: EvaluationOptions, rule: (token: number, value: number) => number): void {
  const { backbone, imageTextMatchingHead } = model;
  backbone.pool = (input) => {
    const [B, T, pixels] = [input.pixelValues.shape[0]!, input.ids.length, values(input.pixelValues)];
    const logits = range(B).flatMap((b) => [
      0,
      rule(input.ids[(b * T) / B + 2]!, Math.round(16 * pixels[(b * pixels.length) / B]!)),
    ]);
    return fromArray(Float32Array.from(logits), [B, 2]);
  };
  imageTextMatchingHead.forward = (pooled) => pooled;
}
const oneHot = (length: number, at: number) => range(length).map((i) => Number(i === at));

const whole = { x: 0, y: 0, width: 16, height: 16 };
let pictures = 0;
/** A picture of its own whose caption names the given things, joined by "and". */
const naming = (nouns: readonly string[], box = whole, value = (pictures++ % 64) / 64): Sample => {
  const caption = nouns.map((noun) => `a ${noun}`).join(" and ");
  const things = nouns.map((noun, i): Thing => ({ noun, box, words: [3 * i + 1, 3 * i + 2] }));
  return listed(caption, { things, value });
};
const encode = ({ tokenizer }: EvaluationOptions, sample: Sample, maxLength = 16): EncodedSample => ({
  sample,
  encoding: tokenizer.encode(sample.caption, { maxLength, truncate: true }),
});
const inUnit = (x: number) => x >= 0 && x <= 1;

t.test("an untrained model is near chance in everything, and judged the same each time", async (t) => {
  const scenes = await openDataset("emoji-scenes", toy, 1);
  const options = { ...optionsFor(scenes, { imageSize: toy.imageSize }), samples: 192, pool: 20 };
  const before = options.model.parameters().map(({ value }) => values(value));
  const result = await evaluate(options);
  t.strictSame(await evaluate(options), result);
  t.strictSame(
    options.model.parameters().map(({ value }) => values(value)),
    before,
    "nothing was learnt from it",
  );
  t.match(result, { split: "validation", samples: 192, pool: 20, matching: { chance: 0.5 } });
  t.ok(Math.abs(result.matching.score - 0.5) < 0.15, `matching ${result.matching.score}`);
  const nouns = range(192).flatMap((i) => (scenes.sample("validation", i) as Sample).things!.map(({ noun }) => noun));
  t.equal(result.maskedWords.chance, 1 / new Set(nouns).size);
  t.ok(result.maskedWords.score < 0.2);
  t.strictSame(result.retrievalChance, { at1: 1 / 20, at5: 5 / 20, at10: 10 / 20 });
  for (const { at1, at5, at10 } of [result.textRetrieval, result.imageRetrieval])
    t.ok(at1 <= 0.3 && at1 <= at5 && at5 <= at10 && at10 <= 0.9);
  const { final } = result.pointing!;
  t.ok(inUnit(final!.score) && final!.chance > 0.1 && final!.chance < 0.4 && final!.chance < final!.someThing);
  const fewer = await evaluate({ ...options, samples: 65, pool: 4 });
  t.strictSame([fewer.samples, fewer.pool, fewer.retrievalChance.at5], [65, 4, 1]);
  t.ok(inUnit(fewer.matching.score), "a chunk of one row is left out");
});

t.test("matching: half of the pairs are exchanged, except where every picture fits", async (t) => {
  const nouns = ["cat", "dog", "pig", "cow"];
  const mixed = optionsFor(new ListedImages(range(12).map((i) => naming([nouns[i % 4]!]))));
  const alike = optionsFor(new ListedImages(range(6).map(() => naming(["cat"]))));
  for (const [logits, score, scoreOfAlike] of [
    [[0, 1], 0.5, 1],
    [[1, 0], 0.5, 0],
    [[0, 0], 0.5, 0],
  ] as const) {
    for (const options of [mixed, alike]) answer(options, "matching", logits);
    t.strictSame((await evaluate(mixed)).matching, { score, chance: 0.5 });
    t.strictSame((await evaluate(alike)).matching, { score: scoreOfAlike, chance: 0.5 });
  }
});

t.test("hard matching: captions with their own picture and with it changed, by what is changed", async (t) => {
  for (const [name, changes] of [
    ["emoji-scenes", ["thing"]],
    ["emoji-scenes-hard", ["thing", "relation"]],
  ] as const) {
    const scenes = await openDataset(name, toy, 1);
    const options = { ...optionsFor(scenes, { imageSize: toy.imageSize, maxTextLength: 20 }), samples: 24, pool: 2 };
    const untrained = (await evaluate(options)).hardMatching!;
    t.strictSame(Object.keys(untrained), changes);
    for (const { score, chance } of Object.values(untrained)) t.ok(score >= 0.25 && score <= 0.75 && chance === 0.5);
    answer(options, "matching", [0, 1]);
    const { hardMatching } = await evaluate(options);
    t.strictSame(hardMatching, Object.fromEntries(changes.map((change) => [change, { score: 0.5, chance: 0.5 }])));
  }
  t.notOk("hardMatching" in (await evaluate(optionsFor(new ListedImages([naming(["cat"]), naming(["dog"])])))));
});

t.test("a model that knows gets everything right, and captions are not taken for pictures", async (t) => {
  class Changeable extends ListedImages {
    readonly changes = ["color"];
    hardNegative(change: string, _split: string, index: number): Sample | null {
      const { caption } = this.samples[index]!;
      return change === "color" && index > 0 ? listed(caption, { value: 1 }) : null;
    }
  }
  const options = optionsFor(new Changeable([..."bcd"].map((noun, i) => naming([noun], whole, i / 16))));
  const first = options.tokenizer.encode("b").ids[1]!;
  answerBy(options, (token, value) => (token - first === value ? 1 : -1));
  const result = await evaluate(options);
  t.strictSame(result.matching.score, 1);
  t.strictSame(result.hardMatching, { color: { score: 1, chance: 0.5 } });
  t.strictSame([result.textRetrieval.at1, result.imageRetrieval.at1], [1, 1]);

  const other = optionsFor(new ListedImages([..."bcd"].map((noun, i) => naming([noun], whole, i / 16))));
  const scores = [
    ...[3, 9, 0], // of the first picture with each caption
    ...[0, 5, 0],
    ...[4, 6, 7],
  ];
  answerBy(other, (token, value) => scores[3 * value + token - first]!);
  const { textRetrieval, imageRetrieval } = await evaluate(other);
  t.strictSame([textRetrieval.at1, imageRetrieval.at1], [2 / 3, 1 / 3]);
});

t.test("retrieval: equal scores are no success, and the pool shows nothing twice", async (t) => {
  const nouns = [..."bcdfghjklmnp"];
  const options = optionsFor(new ListedImages(range(30).map((i) => naming([nouns[i % 12]!]))));
  answer(options, "matching", [0, 3]);
  const { pool, textRetrieval, imageRetrieval, retrievalChance } = await evaluate(options);
  t.equal(pool, 12);
  t.strictSame(textRetrieval, { at1: 0, at5: 0, at10: 0 });
  t.strictSame(imageRetrieval, textRetrieval);
  t.strictSame(retrievalChance, { at1: 1 / 12, at5: 5 / 12, at10: 10 / 12 });
  t.equal((await evaluate({ ...options, samples: 3 })).pool, 3);
});

t.test("masked words: all pieces of a noun count together; words are drawn where no things are known", async (t) => {
  const cats = optionsFor(new ListedImages([...range(6).map(() => naming(["cat"])), naming(["dog"]), naming(["dog"])]));
  const V = cats.tokenizer.vocabulary.length;
  answer(cats, "words", oneHot(V, cats.tokenizer.encode("cat").ids[1]!));
  t.strictSame((await evaluate(cats)).maskedWords, { score: 6 / 8, chance: 1 / 2 });

  const pieces = optionsFor(new ListedImages([naming(["sunflower"]), naming(["cat"])]));
  const [, first, second] = pieces.tokenizer.encode("sunflower").ids;
  for (const piece of [first!, second!]) {
    answer(pieces, "words", oneHot(pieces.tokenizer.vocabulary.length, piece));
    t.equal((await evaluate(pieces)).maskedWords.score, 0, "one piece of two is not enough");
  }

  const unnamed = optionsFor(new ListedImages([listed("a"), listed("a a"), listed("a a a")]));
  answer(unnamed, "words", oneHot(6, 5));
  const { maskedWords, pointing } = await evaluate(unnamed);
  t.strictSame([maskedWords, pointing], [{ score: 1, chance: 1 / 6 }, undefined]);
});

t.test("a noun that was cut off with the caption's end is neither asked for nor pointed at", async (t) => {
  const nowhere = { ...whole, width: 0 };
  const samples = range(10).map(() => naming(["cat", "dog"]));
  for (const { things } of samples) (things as Thing[])[1] = { ...things![1]!, box: nowhere };
  const options = { ...optionsFor(new ListedImages(samples), { maxTextLength: 4 }), truncate: true };
  const row = encode(options, samples[0]!, 4);
  t.strictSame(row.encoding.tokens, ["[CLS]", "a", "cat", "[SEP]"]);
  t.strictSame(thingsInText(row), [samples[0]!.things![0]]);
  for (const [noun, score] of [
    ["cat", 1],
    ["dog", 0],
  ] as const) {
    answer(options, "words", oneHot(options.tokenizer.vocabulary.length, options.tokenizer.encode(noun).ids[1]!));
    const result = await evaluate(options);
    t.equal(result.maskedWords.score, score);
    t.strictSame(result.pointing, { final: { score: 1, chance: 1, someThing: 0.5 } });
  }
  const { words } = await alignmentPicture(row, options.model.backbone, 0, wordPatchAlignment[0]!);
  t.strictSame(
    words.map(({ word }) => word),
    ["cat"],
  );
});

t.test("pointing: chance is the part of the patches inside, some thing one in the number of things", async (t) => {
  const boxes = { all: whole, none: { ...whole, width: 0 }, left: { ...whole, width: 8 } };
  const judge = async (samples: Sample[]) => (await evaluate(optionsFor(new ListedImages(samples)))).pointing!.final!;
  t.strictSame(await judge(range(4).map((i) => naming(["cat"], boxes.all, i))), { score: 1, chance: 1, someThing: 1 });
  t.strictSame(await judge(range(4).map((i) => naming(["cat", "dog"], boxes.none, i))), {
    ...{ score: 0, chance: 0, someThing: 0.5 },
  });
  const left = await judge([naming(["cat"], boxes.left), naming(["dog", "pig"], boxes.left)]);
  t.ok(inUnit(left.score));
  t.strictSame([left.chance, left.someThing], [0.5, (1 + 1 / 2 + 1 / 2) / 3]);
});

t.test("plans: all mass lies between words and patches, and is a pair's own", async (t) => {
  const samples = [naming(["sunflower"], whole, 0.2), naming(["cat", "dog"], whole, -0.7)];
  for (const { image } of samples) for (const i of range(300)) image[i] = Math.sin(i);
  const options = optionsFor(new ListedImages(samples));
  const rows = samples.map((sample) => encode(options, sample));
  t.strictSame(tokensOfWords(rows[0]!, [1, 2]), [2, 3], "both pieces");
  t.strictSame(tokensOfWords(rows[1]!, [3, 5]), [4, 5]);
  t.strictSame(tokensOfWords(rows[1]!, [5, 9]), []);
  for (const layer of ["embedding", "final"] as const) {
    const settings = { ...wordPatchAlignment[0]!, layer };
    const plans = await plansOf(rows, options.model.backbone, 0, settings);
    t.strictSame([plans.length, plans[0]!.length, plans[0]![0]!.length], [2, 7, 4]);
    for (const [b, plan] of plans.entries()) {
      const [alone] = await plansOf([rows[b]!], options.model.backbone, 0, settings);
      const sums = plan.map((column) => column.reduce((a, c) => a + c));
      t.ok(Math.abs(sums.reduce((a, c) => a + c) - 1) < 1e-5);
      const words = rows[b]!.encoding.words;
      t.ok(
        sums.every((mass, token) => mass > 0 === (words[token] ?? -1) >= 0),
        "none on [CLS], [SEP] and padding",
      );
      t.ok(alone!.every((column, k) => column.every((mass, p) => Math.abs(mass - plan[k]![p]!) < 1e-5)));
    }
  }
  const plan = [
    [0.1, 0.2],
    [0.3, 0],
    [0.05, 0.35],
  ].map((column) => Float64Array.from(column));
  t.same([...massOf(plan, [0, 2])], [0.1 + 0.05, 0.2 + 0.35]);
});

t.test("one pair from a file: its embedding is that of the batch, and its picture names hits and misses", async (t) => {
  const folder = t.testdir();
  const file = path.join(folder, "red.png");
  await sharp({ create: { width: 50, height: 34, channels: 3, background: "#ff0000" } }).toFile(file);
  const options = optionsFor(new ListedImages([naming(["cat", "dog"])]));
  const { model, tokenizer } = options;
  const pair = { config: model.config, tokenizer, truncate: false };
  const row = await readPair(file, "a dog and a cat", pair);
  t.strictSame([row.sample.height, row.sample.width, row.sample.image[0], row.sample.image.at(-1)], [16, 24, 1, -1]);
  const embedding = await embedPair(row, model, tokenizer.padId);
  t.ok(bits(await embedPair(row, model, tokenizer.padId)).equals(bits(embedding)));
  const [no, yes] = embedding.logits.map(Math.exp) as [number, number];
  t.ok(Math.abs(embedding.matching - yes / (no + yes)) < 1e-6);
  for (const vector of [embedding.pooled, embedding.textClass, embedding.imageClass])
    t.ok(vector.length === 64 && vector.every(Number.isFinite) && vector.some((value) => value !== vector[0]));
  t.notSame(embedding.textClass, embedding.imageClass);
  const swapped = await embedPair(await readPair(file, "a cat", pair), model, tokenizer.padId);
  t.notSame(swapped.imageClass, embedding.imageClass, "the caption changes the image's vector");
  await t.rejects(readPair(file, "a ".repeat(20), pair), { message: /has 22 tokens, the limit is 16/ });
  writeFileSync(path.join(folder, "no.png"), "no picture");
  await t.rejects(readPair(path.join(folder, "no.png"), "a", pair), {
    name: "DataError",
    message: /no\.png: expected/,
  });

  const free = await alignmentPicture(row, model.backbone, tokenizer.padId, wordPatchAlignment[0]!);
  t.strictSame(
    free.words.map(({ word, hit }) => [word, hit]),
    [
      ["dog", undefined],
      ["and", undefined],
      ["cat", undefined],
    ],
    "the longest words where no things are known",
  );
  for (const [box, hit, note] of [
    [whole, true, ">hit<"],
    [{ ...whole, width: 0 }, false, ">miss<"],
  ] as const) {
    const known = encode(options, naming(["cat", "dog"], box));
    const { svg, words } = await alignmentPicture(known, model.backbone, tokenizer.padId, wordPatchAlignment[0]!);
    t.strictSame(
      words.map(({ word, hit }) => [word, hit]),
      [
        ["cat", hit],
        ["dog", hit],
      ],
    );
    for (const { mass, patch } of words) {
      t.ok(mass.length === 4 && Math.abs(mass.reduce((a, b) => a + b) - 1) < 1e-6);
      t.equal(2 * patch[0] + patch[1], mass.indexOf(Math.max(...mass)));
    }
    t.ok(svg.startsWith("<svg") && svg.includes(note) && svg.includes("data:image/png;base64,"));
  }
});
