// How long does ViLT-B/32 take for one pair?
// npm run bench -- inference [--runs 10] [--threads 1,2] [--pytorch PYTHON] [--json]
// The whole model with random weights, one text of 40 tokens and one picture of 384 × 640, all 240 patches of it; without
// BLAS and, where one is found, with it. With a Python that has torch PyTorch computes the same, in turn with ours.
import { parseArgs } from "node:util";
import { noGrad } from "../dist/autograd/graph.js";
import { randn } from "../dist/tensor/create.js";
import { setBlas, setThreads } from "../dist/tensor/devices.js";
import { Rng } from "../dist/tensor/rng.js";
import { syntheticTexts } from "../dist/train/synthetic-batch.js";
import { getPreset, positionGrid } from "../dist/vilt/config.js";
import { modelCost } from "../dist/vilt/cost.js";
import { Vilt } from "../dist/vilt/model.js";
import { resultsBeside, startPytorch, stopPytorch } from "./harness/pytorch.mjs";
import { printResults } from "./harness/report.mjs";
import { timeInTurn } from "./harness/turns.mjs";

const { values: options } = parseArgs({
  options: {
    runs: { type: "string", default: "10" },
    threads: { type: "string", default: "1,2" },
    pytorch: { type: "string" },
    json: { type: "boolean", default: false },
  },
});

const [imageHeight, imageWidth] = [384, 640];
const model = { ...getPreset("b32").model, maxImageLength: null };
const rng = new Rng(0);
const vilt = new Vilt(model, { rng });
const { texts } = syntheticTexts(model, 1, rng);
const input = { ...texts, pixelValues: randn([1, 3, imageHeight, imageWidth], rng) };

const patches = (imageHeight / model.patchSize) * (imageWidth / model.patchSize);
const { flops, parameters } = modelCost(model, { textTokens: model.maxTextLength, patches, keptPatches: patches });
const config = {
  ...{ hiddenSize: model.hiddenSize, layers: model.numLayers, heads: model.numHeads, mlpRatio: model.mlpRatio },
  ...{ patch: model.patchSize, imageHeight, imageWidth, positionGrid: positionGrid(model), channels: 3, batch: 1 },
  ...{ vocabulary: model.vocabularySize, textLength: model.maxTextLength, parameters },
};

const counts = options.threads.split(",").map(Number);
const entries = ["wasm", ...libraries()].flatMap((device) =>
  counts.map((threads) => ({ device, threads, run: (repeats) => infer(device, threads, repeats) })),
);

/** The device with a BLAS library, where there is one. */
function libraries() {
  try {
    return [`wasm, ${setBlas("auto")}`];
  } catch (error) {
    console.error(`without BLAS: ${error.message}`);
    return [];
  }
}

/** Milliseconds of one of so many passes. */
async function infer(device, threads, repeats) {
  setBlas(device === "wasm" ? null : "auto");
  setThreads(threads);
  const start = performance.now();
  for (let i = 0; i < repeats; i++) {
    const { pooled } = noGrad(() => ({ pooled: vilt.forward(input).pooled }));
    await pooled.data();
    pooled.release();
  }
  return (performance.now() - start) / repeats;
}

const work = { name: "inference", preset: "b32", config, flops };
const pytorch = await startPytorch(options.pytorch, { ...work, threads: Math.max(...counts) }, { PyTorch: {} });
await timeInTurn([...entries, ...pytorch], { runs: Number(options.runs) });
stopPytorch(pytorch);
printResults(resultsBeside(entries, pytorch, work), options.json);
