// How long does one step of pre-training take? npm run bench -- train-step --preset toy [--batch-size 32] [--runs 20]
// [--threads 1,2] [--pytorch PYTHON] [--json]
// One step: masked words and image–text matching (with --alignment also word–patch alignment) forward, backward, AdamW.
// A run is a row of steps. With a Python that has torch PyTorch takes the same steps, in turn with ours.
import { parseArgs } from "node:util";
import { getBackend } from "../dist/tensor/backend.js";
import { setThreads } from "../dist/tensor/devices.js";
import { Rng } from "../dist/tensor/rng.js";
import { Pretrainer } from "../dist/train/pretrainer.js";
import { trainingSettings } from "../dist/train/settings.js";
import { syntheticBatch } from "../dist/train/synthetic-batch.js";
import { getPreset, positionGrid } from "../dist/vilt/config.js";
import { labelledWords } from "../dist/vilt/objectives/masked-language-modeling.js";
import { resultsBeside, startPytorch, stopPytorch } from "./harness/pytorch.mjs";
import { printResults } from "./harness/report.mjs";
import { timeInTurn } from "./harness/turns.mjs";

const { values: options } = parseArgs({
  options: {
    preset: { type: "string", default: "toy" },
    "batch-size": { type: "string" },
    runs: { type: "string", default: "20" },
    threads: { type: "string", default: "1,2" },
    pytorch: { type: "string" },
    alignment: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
  },
});

if (options.pytorch && options.alignment) throw new RangeError("PyTorch's side of a step has no alignment");

const memoryBefore = process.memoryUsage.rss();
const preset = getPreset(options.preset);
const model = { ...preset.model, dropout: 0 }; // as the step in PyTorch that it is compared with
/** The published batch of B/32, 4096 pairs, was that of 64 GPUs. */
const batchSize = Number(options["batch-size"] ?? (options.preset === "b32" ? 2 : preset.batchSize));
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
function flopsPerStep({ lastLayerTokens, lastLayerQueries }) {
  const [d, L] = [model.hiddenSize, model.numLayers];
  const rest = (1 + 2 * model.mlpRatio) * d * d; // of a token, after the attention
  const pass = patches * 3 * model.patchSize ** 2 * d + L * 3 * N * d * d + (L - 1) * N * (2 * N * d + rest);
  const last = lastLayerQueries.reduce((sum, queries) => sum + 2 * N * queries * d, 0);
  const heads = config.maskedTokens * (d * d + d * model.vocabularySize) + batchSize * (d * d + 2 * d);
  return 6 * (batchSize * (2 * pass + last) + lastLayerTokens * rest + heads);
}

const counts = options.threads.split(",").map(Number);
/** At least so many steps and milliseconds, until the engine has compiled what it runs. */
const WARM_UP = { steps: 3, milliseconds: 2000 };
/** Measured steps in a row take at least so long, as training does not stop in between. */
const ROW_MS = 200;

/** Milliseconds of one of so many steps, until all is computed; each uploads the batch of the next, as in a training. */
async function timeSteps(count) {
  const start = performance.now();
  for (let n = 0; n < count; n++) await pretrainer.train(batch, async () => pretrainer.upload(batch));
  getBackend("wasm").settle();
  return (performance.now() - start) / count;
}

for (const threads of counts) {
  setThreads(threads);
  const end = performance.now() + WARM_UP.milliseconds;
  for (let n = 0; n < WARM_UP.steps || performance.now() < end; n++) {
    await timeSteps(1);
    if (n < WARM_UP.steps) await new Promise((resolve) => setTimeout(resolve, 50)); // lets the threads start
  }
}
const entries = counts.map((threads) => {
  const run = (steps) => {
    setThreads(threads);
    return timeSteps(steps);
  };
  return { device: "wasm", threads, run };
});
const work = { name: "train-step", preset: options.preset, config, flops: flopsPerStep(config) };
const wholeConfig = { ...config, lastLayerTokens: 2 * batchSize * N, lastLayerQueries: [N, N] };
const jobs = {
  PyTorch: { whole: false },
  "PyTorch, whole last layer": { whole: true, config: wholeConfig, flops: flopsPerStep(wholeConfig) },
};
const pytorch = await startPytorch(options.pytorch, { ...work, threads: Math.max(...counts) }, jobs);
await timeInTurn([...entries, ...pytorch], { runs: Number(options.runs), leastMs: ROW_MS });
/** Of the model, its optimiser and its steps, at their peak. */
const memoryMB = process.resourceUsage().maxRSS / 1e3 - memoryBefore / 1e6;
stopPytorch(pytorch);
printResults(resultsBeside(entries, pytorch, { ...work, memoryMB }), options.json);
