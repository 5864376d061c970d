// How long does one step of pre-training take? npm run bench -- train-step --preset toy [--batch-size 32] [--runs 20]
// [--threads 1,2] [--json]
// One step: masked words and image–text matching (with --alignment also word–patch alignment) forward, backward, AdamW.
import { parseArgs } from "node:util";
import { getBackend } from "../dist/tensor/backend.js";
import { setThreads } from "../dist/tensor/devices.js";
import { Rng } from "../dist/tensor/rng.js";
import { Pretrainer } from "../dist/train/pretrainer.js";
import { trainingSettings } from "../dist/train/settings.js";
import { syntheticBatch } from "../dist/train/synthetic-batch.js";
import { getPreset, positionGrid } from "../dist/vilt/config.js";
import { labelledWords } from "../dist/vilt/objectives/masked-language-modeling.js";
import { median, printResults } from "./report.mjs";

const { values: options } = parseArgs({
  options: {
    preset: { type: "string", default: "toy" },
    "batch-size": { type: "string" },
    runs: { type: "string", default: "20" },
    threads: { type: "string", default: "1,2" },
    alignment: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
  },
});

const memoryBefore = process.memoryUsage.rss();
const preset = getPreset(options.preset);
const model = { ...preset.model, dropout: 0 }; // as the step in PyTorch that it is compared with
const batchSize = Number(options["batch-size"] ?? preset.batchSize);
const wordPatchAlignment = options.alignment ? preset.wordPatchAlignment : [];
const pretrainer = new Pretrainer({ model, wordPatchAlignment, settings: trainingSettings(options.preset), seed: 0 });
const batch = syntheticBatch(model, batchSize, new Rng(0));
const { places } = labelledWords(batch.maskedLabels, model.maxTextLength, model.vocabularySize);
const config = {
  ...{ hiddenSize: model.hiddenSize, layers: model.numLayers, heads: model.numHeads, mlpRatio: model.mlpRatio },
  ...{ patch: model.patchSize, imageHeight: model.imageSize[0], imageWidth: model.imageSize[1], channels: 3 },
  ...{ vocabulary: model.vocabularySize, textLength: model.maxTextLength, batch: batchSize, dropout: model.dropout },
  ...{ maskedTokens: places.length, optimizer: "AdamW, gradient clipping" },
  losses: ["mlm", "itm", ...wordPatchAlignment.map(({ layer }) => `wpa (${layer})`)],
  parameters: pretrainer.model.countParameters(),
};
const patches = positionGrid(model).reduce((rows, columns) => rows * columns);
/** Tokens of a pair. */
const N = model.maxTextLength + 1 + patches;
const readsAll = wordPatchAlignment.some(({ layer }) => layer === "final");
/** Of both passes: what the last layer goes on with after its attention, because a loss reads it. */
config.lastLayerTokens = config.maskedTokens + batchSize * (readsAll ? N : 1);
/** Of the two passes: the first tokens of each pair, which ask in the last layer's attention. */
config.lastLayerQueries = [1 + Math.max(...places.map((place) => place % model.maxTextLength)), readsAll ? N : 1];

/** Products of matrices in forward and backward, 2 for a multiply-add (backward counts twice the forward). */
function flopsPerStep() {
  const [d, L] = [model.hiddenSize, model.numLayers];
  const rest = (1 + 2 * model.mlpRatio) * d * d; // of a token, after the attention
  const pass = patches * 3 * model.patchSize ** 2 * d + L * 3 * N * d * d + (L - 1) * N * (2 * N * d + rest);
  const last = config.lastLayerQueries.reduce((sum, queries) => sum + 2 * N * queries * d, 0);
  const heads = config.maskedTokens * (d * d + d * model.vocabularySize) + batchSize * (d * d + 2 * d);
  return 6 * (batchSize * (2 * pass + last) + config.lastLayerTokens * rest + heads);
}

const counts = options.threads.split(",").map(Number);
const times = new Map(counts.map((threads) => [threads, []]));
/** At least so many steps and milliseconds, until the engine has compiled what it runs. */
const WARM_UP = { steps: 3, milliseconds: 2000 };
/** Measured steps in a row: training does not stop in between, and a thread that has slept starts late. */
const ROW = 5;

/** Milliseconds of each of so many steps; their sum is the time until all is computed. */
async function timeSteps(count) {
  const times = [];
  for (let n = 1; n <= count; n++) {
    const start = performance.now();
    await pretrainer.train(batch);
    if (n === count) getBackend("wasm").settle();
    times.push(performance.now() - start);
  }
  return times;
}

for (const threads of counts) {
  setThreads(threads);
  const end = performance.now() + WARM_UP.milliseconds;
  for (let n = 0; n < WARM_UP.steps || performance.now() < end; n++) {
    await timeSteps(1);
    if (n < WARM_UP.steps) await new Promise((resolve) => setTimeout(resolve, 50)); // lets the threads start
  }
}
const runs = Number(options.runs);
for (let run = 0; run < runs; run += ROW)
  for (const threads of counts) {
    setThreads(threads);
    await timeSteps(1);
    times.get(threads).push(...(await timeSteps(Math.min(ROW, runs - run))));
  }
/** Of the model, its optimiser and its steps, at their peak. */
const memoryMB = process.resourceUsage().maxRSS / 1e3 - memoryBefore / 1e6;
const results = counts.map((threads) => {
  const sorted = times.get(threads).sort((a, b) => a - b);
  const medianMs = median(sorted);
  const gflops = flopsPerStep() / medianMs / 1e6;
  const timing = { threads, medianMs, minMs: sorted[0], runs: sorted.length, gflops };
  return { name: "train-step", preset: options.preset, device: "wasm", ...timing, memoryMB, config };
});
printResults(results, options.json);
if (!options.json) console.log(`Memory that the model and its steps took at their peak: ${memoryMB.toFixed(0)} MB`);
