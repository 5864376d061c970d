// How long does ViLT-B/32 take for one pair? npm run bench -- inference [--runs 10] [--threads 1,2] [--json]
// The whole model with random weights, one text of 40 tokens and one picture of 384 × 640, all 240 patches of it; without
// BLAS and, where one is found, with it.
import { parseArgs } from "node:util";
import { noGrad } from "../dist/autograd/graph.js";
import { randn } from "../dist/tensor/create.js";
import { setBlas, setThreads } from "../dist/tensor/devices.js";
import { Rng } from "../dist/tensor/rng.js";
import { syntheticTexts } from "../dist/train/synthetic-batch.js";
import { getPreset, positionGrid } from "../dist/vilt/config.js";
import { modelCost } from "../dist/vilt/cost.js";
import { Vilt } from "../dist/vilt/model.js";
import { median, printResults } from "./report.mjs";

const { values: options } = parseArgs({
  options: {
    runs: { type: "string", default: "10" },
    threads: { type: "string", default: "1,2" },
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
const variants = ["wasm", ...libraries()].flatMap((device) =>
  counts.map((threads) => ({ device, threads, times: [] })),
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

for (let run = -2; run < Number(options.runs); run++)
  for (const { device, threads, times } of variants) {
    setBlas(device === "wasm" ? null : "auto");
    setThreads(threads);
    await new Promise((resolve) => setTimeout(resolve, 50)); // lets the threads start
    const start = performance.now();
    const { pooled } = noGrad(() => ({ pooled: vilt.forward(input).pooled }));
    await pooled.data();
    if (run >= 0) times.push(performance.now() - start);
    pooled.release();
  }

const results = variants.map(({ device, threads, times }) => {
  const sorted = times.sort((a, b) => a - b);
  const medianMs = median(sorted);
  const timing = { medianMs, minMs: sorted[0], runs: sorted.length, gflops: flops / medianMs / 1e6 };
  return { name: "inference", preset: "b32", device, threads, ...timing, config };
});
printResults(results, options.json);
