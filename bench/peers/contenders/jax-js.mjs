// jax-js on its wasm device, compiled by its jit. Functions own their arguments there: `.ref` keeps an array for another
// use. Weights are [in, out], and each is used once.
import { kindOf } from "../../harness/cannot.mjs";
import { lossesOf, mapped, split, transposed } from "../data.mjs";
import { offerWebWorkers } from "./web-worker.mjs";

export const packageName = "@jax-js/jax";

export async function prepare(work, data, { threads }) {
  // Before the import, which looks whether there are workers.
  if (threads > 1) offerWebWorkers(threads);
  const jax = await import("@jax-js/jax");
  const { inputs, weights } = split(data);
  const arrayOf = ({ shape, data }) => jax.numpy.array(data).reshape(shape);
  const parameters = mapped(weights, (array) => arrayOf(transposed(array)));
  const device = threads > 1 ? "wasm, Web Workers" : "wasm";
  return { device, ...kindOf(kinds, work)(jax, work.config, mapped(inputs, arrayOf), parameters) };
}

const hostOf = async (array) => ({ shape: [...array.shape], data: await array.data() });

/** The values of an object that holds arrays, on the host; matrices of weights turned back. */
async function answersOf(arrays) {
  const entries = Object.entries(arrays).map(async ([name, array]) => {
    const host = await hostOf(array);
    return [name, name.endsWith(".weight") ? transposed(host) : host];
  });
  return new Map(await Promise.all(entries));
}

/** Waits for a result and gives its memory back. */
async function finish({ tree, blockUntilReady }, result) {
  tree.dispose(await blockUntilReady(result));
}

const kinds = {
  matmul(jax, _, { a, b }) {
    const product = jax.jit((a, b) => jax.numpy.matmul(a, b));
    const compute = () => product(a.ref, b.ref);
    return { answers: () => answersOf({ out: compute() }), run: () => finish(jax, compute()) };
  },

  block(jax, config, { x, seed }, parameters) {
    const own = Object.fromEntries(Object.entries(parameters).filter(([name]) => name.startsWith("layers.")));
    const loss = (arrays, seed) =>
      block(jax, arrays.x, (name) => arrays[`layers.0.${name}`], config)
        .mul(seed)
        .sum();
    const gradients = jax.jit(jax.valueAndGrad(loss));
    const compute = () => gradients(jax.tree.ref({ x, ...own }), seed.ref);
    const answers = () => {
      const [value, grads] = compute();
      return answersOf({ loss: value, ...grads });
    };
    return { answers, run: () => finish(jax, compute()) };
  },

  train(jax, config, { x, labels }, parameters) {
    const { tree, numpy: np } = jax;
    const targets = jax.nn.oneHot(labels, config.vocabulary);
    const step = jax.jit(trainingStep(jax, config));
    let state = [
      parameters,
      tree.map(np.zerosLike, tree.ref(parameters)),
      tree.map(np.zerosLike, tree.ref(parameters)),
    ];
    let count = 0;
    const run = async () => {
      count++;
      const corrections = np.array([1 - config.optimizer.beta1 ** count, 1 - config.optimizer.beta2 ** count]);
      const [loss, ...next] = step(...state, corrections, x.ref, targets.ref);
      state = next;
      await jax.blockUntilReady(next);
      return (await loss.data())[0];
    };
    return { answers: () => lossesOf(run), run };
  },

  inference(jax, config, { x }, parameters) {
    const encoder = jax.jit((parameters, x) => encode(jax, x, (name) => parameters[name], config));
    const compute = () => encoder(jax.tree.ref(parameters), x.ref);
    return { answers: () => answersOf({ hidden: compute() }), run: () => finish(jax, compute()) };
  },
};

/** (parameters, m, v, bias corrections, x, targets) → loss and the next three: Adam by hand, as jax-js ships none. */
function trainingStep(jax, config) {
  const { numpy: np, nn } = jax;
  const { learningRate, beta1, beta2, eps } = config.optimizer;
  const lossOf = (parameters, x, targets) => {
    const hidden = encode(jax, x, (name) => parameters[name], config).reshape([-1, config.hiddenSize]);
    const logits = linear(jax, hidden, (name) => parameters[name], "decoder");
    return nn
      .logSoftmax(logits)
      .mul(targets)
      .sum()
      .mul(-1 / (config.batch * config.tokens));
  };
  return (parameters, m, v, corrections, x, targets) => {
    const [loss, grads] = jax.valueAndGrad(lossOf)(jax.tree.ref(parameters), x, targets);
    const [first, second] = np.split(corrections, 2);
    const next = [{}, {}, {}];
    for (const [name, grad] of Object.entries(grads)) {
      const mean = m[name].mul(beta1).add(grad.ref.mul(1 - beta1));
      const square = v[name].mul(beta2).add(np.square(grad).mul(1 - beta2));
      const root = np.sqrt(square.ref.div(second.ref)).add(eps);
      next[0][name] = parameters[name].sub(mean.ref.div(first.ref).div(root).mul(learningRate));
      [next[1][name], next[2][name]] = [mean, square];
    }
    first.dispose();
    second.dispose();
    return [loss, ...next];
  };
}

function encode(jax, x, weight, config) {
  let hidden = x;
  for (let i = 0; i < config.layers; i++) hidden = block(jax, hidden, (name) => weight(`layers.${i}.${name}`), config);
  return layerNorm(jax, hidden, weight, "layerNorm", config.eps);
}

/** x [B, N, d] → [B, N, d]. */
function block(jax, x, weight, { batch, tokens, hiddenSize, heads, eps }) {
  const { numpy: np, nn } = jax;
  const rows = x.reshape([-1, hiddenSize]);
  const normed = layerNorm(jax, rows.ref, weight, "layerNormBefore", eps);
  const packed = linear(jax, normed, weight, "attention.queryKeyValue");
  const [q, k, v] = np.split(packed, 3, 1).map((part) => part.reshape([batch, tokens, heads, hiddenSize / heads]));
  const mixed = nn.dotProductAttention(q, k, v).reshape([-1, hiddenSize]);
  const attended = rows.add(linear(jax, mixed, weight, "attention.output"));
  const again = layerNorm(jax, attended.ref, weight, "layerNormAfter", eps);
  const inner = nn.gelu(linear(jax, again, weight, "mlp.expand"), { approximate: false });
  return attended.add(linear(jax, inner, weight, "mlp.contract")).reshape([batch, tokens, hiddenSize]);
}

const linear = ({ numpy: np }, x, weight, name) => np.matmul(x, weight(`${name}.weight`)).add(weight(`${name}.bias`));

const layerNorm = ({ nn }, x, weight, name, epsilon) =>
  nn
    .standardize(x, -1, { epsilon })
    .mul(weight(`${name}.weight`))
    .add(weight(`${name}.bias`));
