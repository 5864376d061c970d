// TensorFlow.js on its wasm backend, SIMD, one thread: it has no threads under Node (tensorflow/tfjs issue 3830).
// Weights are [in, out]: its matrix product has a fast kernel, but only for operands that are not transposed. The gradient
// of its matMul transposes; `tuned` puts one in its place that transposes first, which is many times as fast.
import * as tf from "@tensorflow/tfjs";
import "@tensorflow/tfjs-backend-wasm";
import { kindOf } from "../../harness/cannot.mjs";
import { lossesOf, mapped, split, transposed } from "../data.mjs";

export const packageName = "@tensorflow/tfjs";

export async function prepare(work, data, { tuned = false }) {
  if (!(await tf.setBackend("wasm"))) throw new Error("its wasm backend does not start");
  await tf.ready();
  const { inputs, weights } = split(data);
  const tensorOf = ({ shape, data }) => tf.tensor(data, shape, data instanceof Int32Array ? "int32" : "float32");
  const variables = new Map([...weights].map(([name, array]) => [name, tf.variable(tensorOf(transposed(array)))]));
  const config = { ...work.config, product: tuned ? tunedProduct : tf.matMul };
  return { device: "wasm", ...kindOf(kinds, work)(config, mapped(inputs, tensorOf), variables) };
}

/** The last two axes exchanged. */
const flipped = (x) => tf.transpose(x, [...x.shape.slice(0, -2).keys(), x.rank - 1, x.rank - 2]);

/** tf.matMul of plain operands, with plain operands in its gradient as well. */
const tunedProduct = tf.customGrad((a, b, save) => {
  save([a, b]);
  const gradFunc = (grad, [a, b]) => [tf.matMul(grad, flipped(b)), tf.matMul(flipped(a), grad)];
  return { value: tf.matMul(a, b), gradFunc };
});

const arrayOf = (tensor) => ({ shape: tensor.shape, data: tensor.dataSync() });

const kinds = {
  matmul(_, { a, b }) {
    return {
      answers: () => new Map([["out", arrayOf(tf.matMul(a, b))]]),
      run: () => tf.matMul(a, b).dispose(),
    };
  },

  block(config, { x, seed }, variables) {
    const names = [...variables.keys()].filter((name) => name.startsWith("layers."));
    const gradients = tf.valueAndGrads((x, ...values) => {
      const weights = new Map(names.map((name, i) => [name, values[i]]));
      return block(x, (name) => weights.get(`layers.0.${name}`), config)
        .mul(seed)
        .sum();
    });
    const compute = () => gradients([x, ...names.map((name) => variables.get(name))]);
    return {
      answers() {
        const { value, grads } = compute();
        const arrays = grads.map((tensor, i) => [["x", ...names][i], transposed(arrayOf(tensor))]);
        return new Map([["loss", arrayOf(value)], ...arrays]);
      },
      run: () => tf.tidy(() => void compute()),
    };
  },

  train(config, { x, labels }, variables) {
    const { learningRate, beta1, beta2, eps } = config.optimizer;
    const optimizer = tf.train.adam(learningRate, beta1, beta2, eps);
    const targets = tf.oneHot(labels, config.vocabulary);
    const loss = () => {
      const hidden = encode(x, variables, config).reshape([-1, config.hiddenSize]);
      const logits = linear(hidden, (name) => variables.get(name), "decoder", config);
      return tf.losses.softmaxCrossEntropy(targets, logits);
    };
    const run = () => tf.tidy(() => optimizer.minimize(loss, true, [...variables.values()]).dataSync()[0]);
    return { answers: () => lossesOf(run), run };
  },

  inference(config, { x }, variables) {
    return {
      answers: () => new Map([["hidden", arrayOf(encode(x, variables, config))]]),
      run: () => tf.tidy(() => void encode(x, variables, config)),
    };
  },
};

function encode(x, variables, config) {
  let hidden = x;
  for (let i = 0; i < config.layers; i++)
    hidden = block(hidden, (name) => variables.get(`layers.${i}.${name}`), config);
  return layerNorm(hidden, (name) => variables.get(name), "layerNorm", config.eps);
}

/** x [B, N, d] → [B, N, d]. */
function block(x, weight, config) {
  const { batch, tokens, hiddenSize, heads, eps, product } = config;
  const rows = x.reshape([-1, hiddenSize]);
  const packed = linear(layerNorm(rows, weight, "layerNormBefore", eps), weight, "attention.queryKeyValue", config);
  const [q, k, v] = tf
    .split(packed, 3, 1)
    .map((part) => part.reshape([batch, tokens, heads, hiddenSize / heads]).transpose([0, 2, 1, 3]));
  const scores = product(q, flipped(k)).mul((hiddenSize / heads) ** -0.5);
  const mixed = product(tf.softmax(scores), v).transpose([0, 2, 1, 3]).reshape([-1, hiddenSize]);
  const attended = rows.add(linear(mixed, weight, "attention.output", config));
  const inner = gelu(linear(layerNorm(attended, weight, "layerNormAfter", eps), weight, "mlp.expand", config));
  return attended.add(linear(inner, weight, "mlp.contract", config)).reshape(x.shape);
}

const linear = (x, weight, name, { product }) => product(x, weight(`${name}.weight`)).add(weight(`${name}.bias`));

const gelu = (x) => x.mul(0.5).mul(tf.erf(x.mul(0.5 ** 0.5)).add(1));

function layerNorm(x, weight, name, eps) {
  const { mean, variance } = tf.moments(x, -1, true);
  const normed = x.sub(mean).mul(variance.add(eps).rsqrt());
  return normed.mul(weight(`${name}.weight`)).add(weight(`${name}.bias`));
}
