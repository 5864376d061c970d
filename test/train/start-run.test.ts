import { appendFileSync, copyFileSync, readdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import sharp from "sharp";
import t from "tap";
import { writeModelFolder } from "../../src/train/model-folder.ts";
import { type Run, resumeRun, startRun, train } from "../../src/train/run.ts";
import { ViltForMaskedLanguageModeling } from "../../src/vilt/masked-language-modeling.ts";
import { checkpointIn, every, loggedIn, range, startToyRun, toyRun, until } from "./support.ts";

/** Twelve pictures of six sizes with their captions. */
async function pictureFolder(folder: string, captions: Record<number, string> = {}): Promise<string> {
  const lines: string[] = [];
  for (const i of range(12)) {
    const [width, height] = [20 + 9 * (i % 3), 26 + 30 * (i % 2)];
    const background = { r: 20 * i, g: 120, b: 250 - 20 * i };
    await sharp({ create: { width, height, channels: 3, background } }).toFile(path.join(folder, `${i}.png`));
    const caption = captions[i] ?? `a picture of number ${i}`;
    lines.push(JSON.stringify({ image: `${i}.png`, caption, split: i < 9 ? "train" : "validation" }));
  }
  writeFileSync(path.join(folder, "captions.jsonl"), lines.join("\n"));
  return folder;
}

t.test("a folder of pictures of several sizes is trained on, stopped and resumed", async (t) => {
  const name = await pictureFolder(t.testdir());
  const runs: Run[] = [];
  for (const stop of [6, 3]) {
    const folder = path.join(name, `run ${stop}`);
    const options = {
      ...toyRun(folder, { steps: 6, batchSize: 4, pairing: "drawn" }),
      data: { name, truncate: false },
    };
    let run = await startRun(options);
    const batch = [run.dataset.sample("train", 0), run.dataset.sample("train", 1)];
    const [a, b] = await Promise.all(batch);
    t.ok(a!.height !== b!.height || a!.width !== b!.width, "sizes differ");
    if (!(await until(run, stop))) run = await resumeRun(folder);
    t.equal(await train(run, every), true);
    runs.push(run);
  }
  const [whole, resumed] = runs.map(({ folder }) => folder) as [string, string];
  t.ok(checkpointIn(whole).equals(checkpointIn(resumed)));
  t.strictSame(loggedIn(whole), loggedIn(resumed));
  t.ok(loggedIn(whole).every(({ loss }) => typeof loss === "number" && loss > 0));
});

t.test(
  "captions that cannot be used are named: a bad line, one that is too long unless it is cut, too few",
  async (t) => {
    const long = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen";
    const name = await pictureFolder(t.testdir(), { 4: long });
    const captions = path.join(name, "captions.jsonl");
    const start = (run: string, truncate: boolean, batchSize = 9) =>
      startRun({ ...toyRun(path.join(name, run), { steps: 2, batchSize }), data: { name, truncate } });
    await t.rejects(start("whole", false), {
      name: "DataError",
      message: new RegExp(`${captions}, line 5: the caption "one two .* the limit is 16$`),
    });
    t.equal(await train(await start("cut", true), every), true);
    await t.rejects(start("few", true, 10), {
      name: "DataError",
      message: `${name}: 9 training samples do not fill a batch of 10`,
    });
    copyFileSync(captions, path.join(name, "copy"));
    appendFileSync(captions, '\n{"image": "0.png"}');
    await t.rejects(start("bad", true), {
      name: "DataError",
      message: new RegExp(`${captions}, line 13: caption: `),
    });
    t.strictSame(
      readdirSync(name).filter((file) => /whole|few|bad/.test(file)),
      [],
    );
  },
);

t.test("a run starts from a checkpoint folder, and goes there and back without a change", async (t) => {
  const exported = path.join(t.testdir(), "exported");
  const first = await startToyRun(path.join(exported, "..", "first"), { steps: 3, batchSize: 8 });
  await train(first, every);
  const { backbone, maskedLanguageModelingHead } = first.pretrainer.model;
  const model = new ViltForMaskedLanguageModeling(backbone, { rng: null }, maskedLanguageModelingHead);
  writeModelFolder(exported, model, { vocabulary: first.tokenizer.vocabulary });
  const options = { ...toyRun(path.join(exported, "..", "second"), { steps: 2, batchSize: 8 }), from: exported };
  const second = await startRun(options);
  const [before, after] = [first, second].map((run) => run.pretrainer.model.namedParameters());
  for (const [name, { value }] of before!)
    if (!name.startsWith("imageTextMatchingHead"))
      t.strictSame(after!.get(name)!.value.dataSync(), value.dataSync(), name);
  t.strictSame(second.tokenizer.vocabulary, first.tokenizer.vocabulary);
  t.equal(await train(second, every), true);
  t.equal((await resumeRun(options.folder)).state.from, exported);
  await t.rejects(startRun({ ...options, folder: `${options.folder}-2`, from: t.testdirName }), {
    message: /no checkpoint there/,
  });
});

t.test("a preset is enlarged for captions that need more words or more tokens", async (t) => {
  const options = { ...toyRun(t.testdir(), { steps: 1, batchSize: 8 }), preset: "tiny" };
  const { state } = await startRun({ ...options, data: { name: "emoji-scenes-hard", truncate: false } });
  t.match(state.model, { vocabularySize: 67, maxTextLength: 17, hiddenSize: 64 });
});
