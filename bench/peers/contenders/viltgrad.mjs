// This project, on the wasm device: its own layers and optimiser, as its training uses them.
import { leakyRelu } from "../../../dist/autograd/functions/activations.js";
import { crossEntropy } from "../../../dist/autograd/functions/cross-entropy.js";
import { backward, grad } from "../../../dist/autograd/grad.js";
import { noGrad, variable } from "../../../dist/autograd/graph.js";
import { mul } from "../../../dist/autograd/ops/arithmetic.js";
import { reshape } from "../../../dist/autograd/ops/layout.js";
import { matmul } from "../../../dist/autograd/ops/linalg.js";
import { sum } from "../../../dist/autograd/ops/reduce.js";
import { Linear } from "../../../dist/nn/linear.js";
import { AdamW } from "../../../dist/optim/adamw.js";
import { getBackend } from "../../../dist/tensor/backend.js";
import { fromArray } from "../../../dist/tensor/create.js";
import { setBlas, setThreads } from "../../../dist/tensor/devices.js";
import { scope } from "../../../dist/tensor/scope.js";
import { Encoder } from "../../../dist/vilt/encoder.js";
import { Cannot, kindOf } from "../../harness/cannot.mjs";
import { lossesOf, mapped, split } from "../data.mjs";

export async function prepare(work, data, { threads, blas }) {
  setThreads(threads);
  const device = blas ? `wasm, ${loadBlas()}` : "wasm";
  const { inputs, weights } = split(data);
  const tensors = mapped(inputs, ({ shape, data }) => fromArray(data, shape));
  const { answers, run } = kindOf(kinds, work)(work.config, tensors, weights);
  const backend = getBackend("wasm");
  return {
    ...{ device, answers },
    run() {
      run();
      backend.settle();
    },
  };
}

function loadBlas() {
  try {
    return setBlas("auto");
  } catch (error) {
    throw new Cannot(error.message, "not installed");
  }
}

const arrayOf = (tensor) => ({ shape: tensor.shape, data: tensor.dataSync() });

const kinds = {
  matmul(_, { a, b }) {
    return {
      answers: () => new Map([["out", arrayOf(matmul(a, b))]]),
      run: () => matmul(a, b).release(),
    };
  },

  block(config, { x, seed }, weights) {
    const encoder = encoderOf(config, weights);
    const named = [...encoder.namedParameters()].filter(([name]) => name.startsWith("layers."));
    const gradients = () => {
      const input = variable(x);
      const loss = sum(mul(forward(encoder.layers[0], input, config), seed));
      return [loss, ...grad(loss, [input, ...named.map(([, { value }]) => value)])];
    };
    const names = ["loss", "x", ...named.map(([name]) => name)];
    return {
      answers: () => new Map(gradients().map((tensor, i) => [names[i], arrayOf(tensor)])),
      run: () => scope(() => void gradients()),
    };
  },

  train(config, { x, labels }, weights) {
    const encoder = encoderOf(config, weights);
    const decoder = new Linear(config.hiddenSize, config.vocabulary, { rng: null });
    decoder.loadParameters(new Map(["weight", "bias"].map((name) => [name, weights.get(`decoder.${name}`)])));
    const parameters = new Map([...encoder.namedParameters(), ["W", decoder.weight], ["b", decoder.bias]]);
    const { learningRate, beta1, beta2, eps, correctBias } = config.optimizer;
    const settings = { beta1, beta2, eps, correctBias, convention: "torch" };
    const optimizer = new AdamW([{ parameters, weightDecay: 0 }], settings);
    const run = () => {
      const loss = scope(() => {
        const logits = decoder.forward(encode(encoder, x, config));
        const loss = crossEntropy(reshape(logits, [-1, config.vocabulary]), labels).keep();
        backward(loss);
        optimizer.step({ learningRate });
        optimizer.zeroGrad();
        return loss;
      });
      const [value] = loss.dataSync();
      loss.release();
      return value;
    };
    return { answers: () => lossesOf(run), run };
  },

  inference(config, { x }, weights) {
    const encoder = encoderOf(config, weights);
    const hidden = () => noGrad(() => encode(encoder, x, config));
    return { answers: () => new Map([["hidden", arrayOf(hidden())]]), run: () => hidden().release() };
  },
};

function encoderOf({ layers, heads, eps, ...config }, weights) {
  const names = { numLayers: layers, numHeads: heads, encoderEps: eps, dropout: 0, queryKeyValueBias: true };
  const encoder = new Encoder({ ...config, ...names }, { rng: null });
  encoder.loadParameters(new Map([...weights].filter(([name]) => !name.startsWith("decoder."))));
  return encoder;
}

function encode(encoder, x, config) {
  if (config.activation === "gelu") return encoder.forward(x).hidden;
  return encoder.layerNorm.forward(encoder.layers.reduce((x, layer) => forward(layer, x, config), x));
}

/** A block as EncoderLayer computes it, with the activation of the work. */
function forward({ layerNormBefore, attention, layerNormAfter, mlp }, x, { activation, slope }) {
  const attended = attention.forward(layerNormBefore.forward(x), { residual: x });
  const normed = layerNormAfter.forward(attended);
  if (activation === "gelu") return mlp.forward(normed, { residual: attended });
  return mlp.contract.forward(leakyRelu(mlp.expand.forward(normed), slope), attended);
}
