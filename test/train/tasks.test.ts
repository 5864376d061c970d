import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import t from "tap";
import { EmojiScenes } from "../../src/data/emoji-scenes/emoji-scenes.ts";
import { Tokenizer } from "../../src/data/tokenizer.ts";
import { DataError } from "../../src/tensor/errors.ts";
import { Rng } from "../../src/tensor/rng.ts";
import { modelOf, readCheckpoint } from "../../src/train/checkpoint.ts";
import { evaluate } from "../../src/train/evaluation/evaluation.ts";
import { adopt, readFoundation } from "../../src/train/foundation.ts";
import { openModelFolder } from "../../src/train/model-folder.ts";
import { openPredictor, predict } from "../../src/train/prediction.ts";
import { train } from "../../src/train/run.ts";
import { scoresByKind } from "../../src/train/tasks/classification.ts";
import { compare, summarize } from "../../src/train/tasks/comparison.ts";
import { type ArmName, arms, fineTune, grow, startArm } from "../../src/train/tasks/fine-tuning.ts";
import { openTask, type TaskName, taskNames, tasks } from "../../src/train/tasks/open.ts";
import { comparisonRows, scoreTable, writeFineTuned, writeTaskReport } from "../../src/train/tasks/report.ts";
import { fineTuningSettings } from "../../src/train/tasks/settings.ts";
import type { Trainee } from "../../src/train/tasks/task.ts";
import { Vilt } from "../../src/vilt/model.ts";
import { bits, startToyRun } from "./support.ts";

const runFolder = t.testdir();
await train(await startToyRun(runFolder), { checkpointEvery: 12 });
const foundation = await readFoundation(runFolder);

/** A task with settings small enough for a test. */
async function opened(name: TaskName, { steps = 3, seed = 0 } = {}) {
  const task = await openTask(name, tasks[name].data, foundation.config, seed);
  const settings = fineTuningSettings(tasks[name].settings, { steps, batchSize: name === "retrieval" ? 2 : 8 });
  return { task, foundation, settings, truncate: false, seed };
}

const weightsIn = ({ model }: ReturnType<typeof startArm>) =>
  bits([...model.namedParameters()].map(([name, { value }]) => [name, value.dataSync()]));

t.test("a foundation: what was trained, from a run folder or its file", async (t) => {
  const { model } = modelOf(readCheckpoint(runFolder));
  t.same([...foundation.weights.keys()], [...model.namedParameters().keys()]);
  t.match(foundation, { source: runFolder, task: "pre-training", labels: [] });
  t.equal(foundation.vocabulary.length, 53);
  const fromFile = await readFoundation(path.join(runFolder, "model.safetensors"));
  t.same(fromFile.vocabulary, foundation.vocabulary);
  await t.rejects(readFoundation(path.join(runFolder, "nothing")), {
    name: "DataError",
    message: /no checkpoint there/,
  });
});

t.test(
  "a model grows for its task: new words, a third modality like the second; all else is what it was",
  async (t) => {
    for (const name of taskNames) {
      const options = await opened(name);
      const { config, tokenizer } = grow(foundation, options.task, false);
      t.same(tokenizer.vocabulary.slice(0, 53), foundation.vocabulary, `${name}: known words keep their numbers`);
      t.equal(config.modalityTypes, name === "nlvr2" ? 3 : 2);
      const { model } = startArm(options, arms["pre-trained"]);
      const parameters = model.namedParameters();
      for (const [path, weight] of foundation.weights) {
        if (!path.startsWith("backbone.")) continue;
        const now = parameters.get(path)!.value.dataSync();
        const before = weight.dataSync();
        t.ok(bits(now.slice(0, before.length)).equals(bits(before.slice())), `${name}: ${path}`);
        if (path.endsWith("types.weight") && name === "nlvr2")
          t.same(now.slice(before.length), before.slice(before.length / 2), "the second picture starts as the first");
      }
    }
    const { task } = await opened("vqa");
    const words = new Tokenizer(grow(foundation, task, false).tokenizer.vocabulary);
    t.notOk(words.tokenize("how many hearts are there ?").tokens.includes("[UNK]"));
    t.same(words.tokenize("hearts").tokens, ["heart", "##s"]);
  },
);

t.test("a weight of another shape is refused by its name", async (t) => {
  const other = new Vilt({ ...foundation.config, hiddenSize: 32 }, { rng: null });
  t.throws(() => adopt(other, foundation, "backbone."), {
    name: "DataError",
    message: /textEmbedding\.wordEmbedding\.weight is \[53, 64\], which does not go into \[53, 32\]/,
  });
});

t.test("training: the loss of a batch falls; the same seed gives the same bits, another one others", async (t) => {
  for (const name of taskNames) {
    const options = await opened(name, { steps: 30 });
    const losses: number[] = [];
    const trainee = startArm(options, arms["pre-trained"]);
    const oneBatch: Trainee = Object.assign(Object.create(trainee), { prepare: () => trainee.prepare(0) });
    t.ok(await fineTune(oneBatch, options, { onStep: ({ loss }) => losses.push(loss) }));
    t.ok(losses.at(-1)! < 0.9 * losses[0]!, `${name}: ${losses.map((loss) => loss.toFixed(2))}`);
    const short = await opened(name, { steps: 4 });
    const [first, again] = [startArm(short, arms["pre-trained"]), startArm(short, arms["pre-trained"])];
    await fineTune(first, short);
    await fineTune(again, short);
    t.ok(weightsIn(first).equals(weightsIn(again)), name);
    const other = await opened(name, { steps: 4, seed: 1 });
    const differs = startArm(other, arms["pre-trained"]);
    await fineTune(differs, other);
    t.notOk(weightsIn(differs).equals(weightsIn(first)), `${name}: seed 1`);
  }
});

t.test("it stops when it should, and says so", async (t) => {
  const options = await opened("nlvr2", { steps: 5 });
  let steps = 0;
  const onStep = () => {
    steps++;
  };
  t.notOk(await fineTune(startArm(options, arms["pre-trained"]), options, { onStep, shouldStop: () => steps === 2 }));
  t.equal(steps, 2);
});

t.test("baselines do not see what they must not: pictures alone or texts alone decide nothing", async (t) => {
  const options = await opened("vqa");
  const scoresOf = async (arm: ArmName) => {
    const trainee = startArm(options, arms[arm]);
    const figures = await trainee.figures("validation", 30);
    return figures.map((figure) => ({
      text: /<figcaption>(.*?)<\/figcaption>/.exec(figure)![1]!,
      says: /<ol>.*<\/ol>/.exec(figure)![0].replaceAll(/ class="\w+"|[✓✗]/g, ""),
    }));
  };
  const textOnly = await scoresOf("text only");
  const byText = new Map<string, string>();
  for (const { text, says } of textOnly) {
    t.equal(byText.get(text) ?? says, says, `the same answer to every "${text}"`);
    byText.set(text, says);
  }
  t.ok(byText.size > 3 && byText.size < textOnly.length, "some questions come twice");
  t.equal(new Set(textOnly.map(({ says }) => says)).size > 1, true, "other questions have other answers");
  const all = await scoresOf("pre-trained");
  t.ok(new Set(all.map(({ says }) => says)).size > byText.size, "a model that sees the picture answers by it");
});

t.test("from scratch: nothing of the foundation but its size and words", async (t) => {
  const options = await opened("vqa");
  const { model } = startArm(options, arms["from scratch"]);
  const names = [...model.namedParameters().keys()];
  const shared = names.filter((name) => foundation.weights.get(name)?.rank === 2);
  t.ok(shared.length > 10);
  for (const name of shared) {
    const [now, before] = [model.namedParameters().get(name)!.value, foundation.weights.get(name)!];
    t.notSame(now.dataSync().slice(0, 20), before.dataSync().slice(0, 20), name);
  }
});

t.test("zero-shot retrieval ranks by the matching head: the recall that pre-training was judged by", async (t) => {
  const options = await opened("retrieval");
  const trainee = startArm(options, arms["zero-shot"]);
  const checkpoint = readCheckpoint(runFolder);
  const { model, tokenizer } = modelOf(checkpoint);
  const [height, width] = foundation.config.imageSize;
  const dataset = new EmojiScenes({ seed: "0/fine-tuning", height, width });
  const judged = await evaluate({
    ...{ model, tokenizer, dataset, split: "validation", samples: 40, pool: 100, wordPatchAlignment: [] },
    ...{ truncate: false, seed: 0 },
  });
  const scores = await trainee.evaluate("validation", 40);
  t.equal(scores["image → text recall@5"]!.score, judged.textRetrieval.at5);
  t.equal(scores["text → image recall@10"]!.score, judged.imageRetrieval.at10);
  t.equal(scores["mean recall@1"]!.score, (judged.textRetrieval.at1 + judged.imageRetrieval.at1) / 2);
});

t.test("scores: how right the likeliest class is, beside the best single class of each kind", async (t) => {
  const scores = scoresByKind([
    { kind: "a", logits: [0, 2, 1], targets: [0, 1, 0.3] },
    { kind: "a", logits: [5, 2, 1], targets: [0, 0, 1] },
    { kind: "b", logits: [-1, -2, -3], targets: [0.6, 1, 0] },
    { kind: "b", logits: [-1, -2, -3], targets: [0.9, 0, 0] },
  ]);
  t.same(Object.keys(scores), ["all", "a", "b"]);
  t.match(scores.a, { score: 0.5, chance: 0.65 });
  t.match(scores.b, { score: 0.75, chance: 0.75 });
  t.match(scores.all, { score: 0.625, chance: 0.7 });
});

t.test("a comparison: every arm with every seed, the table, the page and the model's folder", async (t) => {
  const folder = path.join(t.testdir(), "vqa");
  const settings = fineTuningSettings({ steps: 2, batchSize: 4 });
  const names: ArmName[] = ["pre-trained", "from scratch"];
  const options = {
    ...{ name: "vqa" as const, data: "emoji-scenes", foundation, settings, truncate: false, samples: 30 },
    ...{ seeds: [0, 1], arms: names },
  };
  let figures: string[] = [];
  const trials = await compare(options, {
    async onTrained({ trainee, options, finished }) {
      t.ok(finished);
      if (figures.length > 0) return;
      writeFineTuned(folder, trainee, options);
      figures = await trainee.figures("validation", 2);
    },
  });
  t.same(
    trials.map(({ arm, seed, losses }) => [arm, seed, losses.length]),
    [0, 1].flatMap((seed) => names.map((arm) => [arm, seed, 2])),
  );
  const [a, b] = [0, 2].map((i) => trials[i]!.scores.validation!.all!.score) as [number, number];
  const { score, deviation } = summarize(trials, "pre-trained", "validation").all!;
  t.ok(Math.abs(score - (a + b) / 2) < 1e-12 && Math.abs(deviation! - Math.abs(a - b) / Math.SQRT2) < 1e-12);
  t.same(
    comparisonRows(trials, "all").map(([name]) => name),
    ["all", "pre-trained", "from scratch", "guessing"],
  );
  t.same(scoreTable(trials, "from scratch")[0], ["", "validation", "unseen-style", "unseen-pairs", "guessing"]);
  const command = "viltgrad finetune <vqa>";
  const report = { folder, options, trials, headline: "all", figures: { validation: figures }, command };
  const files = await writeTaskReport(report);
  for (const file of Object.values(files)) t.ok(existsSync(file), file);
  const page = readFileSync(files.report, "utf8");
  t.ok(page.includes(figures[0]!) && page.includes("viltgrad finetune &#60;vqa&#62;"));
  t.equal(JSON.parse(readFileSync(files.evaluation, "utf8")).trials.length, 4);

  const { model, labels, tokenizer } = await openModelFolder(folder);
  t.same(labels, (await openTask("vqa", "emoji-scenes", foundation.config, 0)).labels);
  t.equal(tokenizer!.vocabulary.length, model.config.vocabularySize);
  const again = { ...options, foundation: await readFoundation(folder), seeds: [0], arms: ["zero-shot" as const] };
  const [judged] = await compare(again);
  t.same(judged!.scores, trials[0]!.scores, "the written model has the scores of the trained one");
});

t.test("predict: one answer for every task, and errors for what does not fit it", async (t) => {
  const folder = t.testdir();
  const picture = { data: new Uint8Array(40 * 40 * 3).fill(90), width: 40, height: 40 };
  const pictures = { vqa: 1, nlvr2: 2, retrieval: 1 };
  for (const name of taskNames) {
    const options = await opened(name);
    const trainee = startArm(options, arms["pre-trained"]);
    writeFineTuned(path.join(folder, name), trainee, options);
    const predictor = await openPredictor(path.join(folder, name));
    const { task, says } = await predict(predictor, Array(pictures[name]).fill(picture), "a cat", { count: 3 });
    t.equal(task, tasks[name].models);
    t.equal(says.length, 1);
    const [list] = says;
    t.equal(list!.length, { vqa: 3, nlvr2: 2, retrieval: 1 }[name]);
    t.ok(list!.every(({ share }, i) => Number.isFinite(share) && (i === 0 || share <= list![i - 1]!.share)));
    if (name === "nlvr2") t.ok(Math.abs(list![0]!.share + list![1]!.share - 1) < 1e-6);
    await t.rejects(predict(predictor, Array(3).fill(picture), "a cat", { count: 1 }), {
      message: `predict: a model for ${task} takes ${pictures[name]} pictures, not 3`,
    });
  }
  const words = await openPredictor(runFolder);
  const { says } = await predict(words, [picture], "a [MASK] and a [MASK]", { count: 2 });
  t.same(
    says.map((list) => list.length),
    [2, 2],
  );
  await t.rejects(predict(words, [picture], "a cat", { count: 2 }), { message: /no \[MASK\]/ });
  await t.rejects(predict(words, [picture], "", { count: 2 }), DataError);
});

t.test("RandAugment changes training pictures, alike for the same seed, and no others", async (t) => {
  const plain = await opened("vqa");
  const randAugment = { operations: 2, magnitude: 9, list: "original" as const };
  const augmented = { ...plain, settings: { ...plain.settings, randAugment } };
  const lossOf = async (options: typeof plain) => {
    const trainee = startArm(options, arms["pre-trained"]);
    const loss = await trainee.prepare(0);
    return { loss: loss(new Rng(0)).dataSync()[0]!, scores: await trainee.evaluate("validation", 20) };
  };
  const [a, b, c] = [await lossOf(plain), await lossOf(augmented), await lossOf(augmented)];
  t.not(a.loss, b.loss);
  t.equal(b.loss, c.loss);
  t.same(a.scores, b.scores, "what judges is left as it is");
});
