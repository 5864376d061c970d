// node bench/pytorch/numbers.mjs '{"name": …, "preset": …, "config": …}' FILE: what PyTorch's side of a result begins with, and
// has to compute too before it is timed: our weights, inputs and results, as safetensors.
import { writeFileSync } from "node:fs";
import { noGrad } from "../../dist/autograd/graph.js";
import { serializeSafetensors } from "../../dist/data/safetensors.js";
import { randn } from "../../dist/tensor/create.js";
import "../../dist/tensor/devices.js";
import { Rng } from "../../dist/tensor/rng.js";
import { Pretrainer } from "../../dist/train/pretrainer.js";
import { trainingSettings } from "../../dist/train/settings.js";
import { syntheticBatch, syntheticTexts } from "../../dist/train/synthetic-batch.js";
import { getPreset } from "../../dist/vilt/config.js";
import { Vilt } from "../../dist/vilt/model.js";

const kinds = {
  /** The first three steps of a training, at its full learning rate. */
  async "train-step"(preset, { batch: batchSize }) {
    const model = { ...getPreset(preset).model, dropout: 0 };
    const settings = { ...trainingSettings(preset), warmup: 0 };
    const pretrainer = new Pretrainer({ model, wordPatchAlignment: [], settings, seed: 0 });
    const batch = syntheticBatch(model, batchSize, new Rng(0));
    const arrays = [...(await weightsOf(pretrainer.model)), ...inputsOf(batch)];
    const steps = [];
    for (let n = 0; n < 3; n++) steps.push(await pretrainer.train(batch));
    const told = ["learningRate", "loss", "mlmLoss", "itmLoss", "gradNorm"];
    const results = told.map((name) => [`steps/${name}`, listed(steps.map((step) => step[name]))]);
    const used = ["beta1", "beta2", "weightDecay", "clipNorm"];
    return [...arrays, ...results, ...used.map((name) => [`settings/${name}`, listed([settings[name]])])];
  },

  /** One forward pass of the whole model. */
  async inference(preset, { imageHeight, imageWidth }) {
    const config = { ...getPreset(preset).model, maxImageLength: null };
    const rng = new Rng(0);
    const model = new Vilt(config, { rng });
    const { texts } = syntheticTexts(config, 1, rng);
    const pixelValues = randn([1, 3, imageHeight, imageWidth], rng);
    const pooled = noGrad(() => model.forward({ ...texts, pixelValues }).pooled);
    return [
      ...(await weightsOf(model)),
      ["inputs/ids", { shape: [1, texts.ids.length], data: texts.ids }],
      ["inputs/pixels", await arrayOf(pixelValues)],
      ["pooled", await arrayOf(pooled)],
    ];
  },
};

async function arrayOf(tensor) {
  return { shape: tensor.shape, data: Float32Array.from(await tensor.data()) };
}

function listed(values) {
  return { shape: [values.length], data: Float32Array.from(values) };
}

async function weightsOf(model) {
  const arrays = [];
  for (const [name, { value }] of model.namedParameters()) arrays.push([`weights/${name}`, await arrayOf(value)]);
  return arrays;
}

function inputsOf({ texts, maskedIds, maskedLabels, matchingLabels, images, matchingImages }) {
  const B = matchingLabels.length;
  const words = (data) => ({ shape: [B, data.length / B], data });
  const pixels = ({ pixelValues, height, width }) => ({ shape: [B, 3, height, width], data: pixelValues });
  return Object.entries({
    ...{ ids: words(texts.ids), maskedIds: words(maskedIds), maskedLabels: words(maskedLabels) },
    ...{ matchingLabels: { shape: [B], data: matchingLabels } },
    ...{ images: pixels(images), matchingImages: pixels(matchingImages) },
  }).map(([name, array]) => [`inputs/${name}`, array]);
}

const [description, file] = process.argv.slice(2);
const { name, preset, config } = JSON.parse(description);
writeFileSync(file, serializeSafetensors(new Map(await kinds[name](preset, config))));
