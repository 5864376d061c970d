// The works that contenders are compared on: what is computed, at which shape, and what it costs. All is plain JSON, so
// that every process, whatever its language, gets the same description.
import { getPreset, positionGrid } from "../../dist/vilt/config.js";

/** The optimiser of every training step: AdamW without decay, which is the Adam that all but one of the peers have. */
const adam = {
  name: "Adam (AdamW, decay 0)",
  learningRate: 1e-3,
  beta1: 0.9,
  beta2: 0.999,
  eps: 1e-8,
  correctBias: true,
};

/** Rows, inner dimension and columns: squares, and one linear layer of the presets. */
const products = [
  ...[256, 512, 1024].map((n) => ["square", n, n, n]),
  ["tiny", 1920, 64, 256],
  ["small", 1168, 256, 1024],
  ["b32", 240, 768, 3072],
  ["b32", 240, 3072, 768],
];

/** The encoder of a preset over its joint sequence: words, the class token and the patches. */
function encoderOf(name, { batch, tokens } = {}) {
  const { model, batchSize } = getPreset(name);
  const [rows, columns] = positionGrid(model);
  return {
    ...{ batch: batch ?? batchSize, tokens: tokens ?? model.maxTextLength + 1 + rows * columns },
    ...{ hiddenSize: model.hiddenSize, layers: model.numLayers, heads: model.numHeads, mlpRatio: model.mlpRatio },
    ...{ eps: model.encoderEps, activation: "gelu", vocabulary: model.vocabularySize },
  };
}

/** 40 words, the class token and 240 patches: a picture of 384 × 640. */
const fullPair = { batch: 1, tokens: 40 + 1 + 240 };

/** What js-pytorch has instead: a ReLU that leaks, and an Adam without bias correction. Ours then does the same. */
const reduced = { activation: "leakyRelu", slope: 1e-3 };
const reducedAdam = { ...adam, name: "Adam without bias correction", correctBias: false };
const reducedFor = ["viltgrad", "js-pytorch"];

const named = (kind, preset, config, more) => ({ name: `${kind} ${preset}`, kind, preset, config, ...more });
const block = (preset, config, more) => named("block", preset, { ...config, layers: 1, vocabulary: 0 }, more);
const training = (preset, config, more) => named("train", preset, { optimizer: adam, ...config }, more);

const works = [
  ...products.map(([preset, m, k, n]) => named("matmul", preset, { m, k, n }, { name: `matmul ${m}×${k}×${n}` })),
  ...["toy", "tiny", "small"].map((preset) => block(preset, encoderOf(preset))),
  block("b32", encoderOf("b32", fullPair)),
  block("toy", { ...encoderOf("toy"), ...reduced }, { name: "block toy, leaky ReLU", only: reducedFor }),
  ...["toy", "tiny", "small"].map((preset) => training(preset, encoderOf(preset))),
  training("b32", encoderOf("b32", { ...fullPair, batch: 2 })),
  training(
    "toy",
    { ...encoderOf("toy"), ...reduced, optimizer: reducedAdam },
    { name: "train toy, leaky ReLU", only: reducedFor },
  ),
  named("inference", "b32", { ...encoderOf("b32", fullPair), vocabulary: 0 }),
];

/** Where the sweeps start from: one axis grows at a time, with heads of 32. */
const base = { batch: 8, tokens: 64, hiddenSize: 128, layers: 2 };
const axes = {
  batch: [1, 2, 4, 8, 16, 32],
  tokens: [16, 32, 64, 128, 256],
  hiddenSize: [32, 64, 128, 256, 512],
  layers: [1, 2, 4, 8],
};

/** A training step at growing batch, sequence length, width and depth: what `--plot` draws. */
const sweeps = Object.entries(axes).flatMap(([axis, sizes]) =>
  sizes.map((size) => {
    const shape = { ...base, [axis]: size };
    const config = {
      ...shape,
      heads: shape.hiddenSize / 32,
      mlpRatio: 4,
      eps: 1e-6,
      activation: "gelu",
      vocabulary: 64,
    };
    return training(axis, config, { name: `scaling ${axis} ${size}`, axis });
  }),
);

/**
 * The works whose name contains one of `only`; without it all, the sweeps only for a plot. A plot needs a product as well,
 * to know the peak by.
 *
 * @throws {RangeError} when a word of `only` is in no name
 */
export function selectWorks(only, isForPlot) {
  const all = [...works, ...sweeps];
  const unknown = only.find((word) => !all.some(({ name }) => name.includes(word)));
  if (unknown)
    throw new RangeError(`no work is called "${unknown}"; there are ${all.map(({ name }) => name).join("; ")}`);
  if (only.length === 0) return isForPlot ? all : works;
  const chosen = all.filter(({ name }) => only.some((word) => name.includes(word)));
  const hasProduct = chosen.some(({ kind }) => kind === "matmul");
  return isForPlot && !hasProduct ? [works.find(({ name }) => name.includes("1024×1024")), ...chosen] : chosen;
}

/** Operations of the matrix products, 2 for a multiply-add; forward and backward together are three times the forward. */
export function flopsOf({ kind, config }) {
  if (kind === "matmul") return 2 * config.m * config.k * config.n;
  const { batch, tokens: N, hiddenSize: d, layers, mlpRatio, vocabulary } = config;
  const forward = batch * (layers * ((4 + 2 * mlpRatio) * N * d * d + 2 * N * N * d) + N * d * vocabulary);
  return 2 * forward * (kind === "inference" ? 1 : 3);
}
