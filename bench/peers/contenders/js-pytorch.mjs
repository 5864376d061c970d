// js-pytorch on its cpu device: nested arrays, one thread. Its own LayerNorm (without ε), ReLU (which leaks 0.001),
// CrossEntropyLoss and Adam (without bias correction). Attention is put together here: its own is causal, and the
// gradient of its Softmax is wrong where the last two axes have one length, as those of scores have.
import { torch } from "js-pytorch";
import { Cannot, kindOf } from "../../harness/cannot.mjs";
import { lossesOf, mapped, split, transposed } from "../data.mjs";

export const packageName = "js-pytorch";

const { nn } = torch;
const PACKED = "queryKeyValue";

export async function prepare(work, data) {
  const { activation, optimizer } = work.config;
  if (work.kind === "inference") throw new Cannot("its nested arrays would take minutes for 85 million weights");
  if (activation === "gelu" || optimizer?.correctBias)
    throw new Cannot("has no GELU, and no bias correction in Adam; see the works with a leaky ReLU");
  const { inputs, weights } = split(data);
  const separate = [...weights].flatMap(([name, array]) => thirds(name, array));
  const parameters = new Map(separate.map(([name, array]) => [name, tensorOf(transposed(array), true)]));
  return {
    device: "cpu",
    ...kindOf(kinds, work)(work.config, mapped(inputs, nested), parameters, [...weights.keys()]),
  };
}

/** Flat values as arrays in arrays. */
function nested({ shape, data }) {
  if (shape.length === 1) return Array.from(data);
  const size = data.length / shape[0];
  return Array.from({ length: shape[0] }, (_, i) =>
    nested({ shape: shape.slice(1), data: data.subarray(i * size, (i + 1) * size) }),
  );
}

/** Queries, keys and values one by one, as its own attention has them. */
function thirds(name, array) {
  if (!name.includes(PACKED)) return [[name, array]];
  const shape = [array.shape[0] / 3, ...array.shape.slice(1)];
  const part = (i) => array.data.subarray((i * array.data.length) / 3, ((i + 1) * array.data.length) / 3);
  return ["query", "key", "value"].map((own, i) => [name.replace(PACKED, own), { shape, data: part(i) }]);
}

/** The other way round. @param find answers the array of a name */
function packed(name, find) {
  if (!name.includes(PACKED)) return find(name);
  const parts = ["query", "key", "value"].map((own) => find(name.replace(PACKED, own)));
  const [{ shape }] = parts;
  return { shape: [3 * shape[0], ...shape.slice(1)], data: Float32Array.from(parts.flatMap(({ data }) => [...data])) };
}

const tensorOf = (array, requiresGrad) => torch.tensor(nested(array), requiresGrad);
const shapeOf = (values) => (Array.isArray(values) ? [values.length, ...shapeOf(values[0])] : []);
const flat = (values) => ({ shape: shapeOf(values), data: Float32Array.from([values].flat(Infinity)) });

const kinds = {
  matmul(_, { a, b }) {
    const [left, right] = [torch.tensor(a), torch.tensor(b)];
    return {
      answers: () => new Map([["out", flat(left.matmul(right).data)]]),
      run: () => left.matmul(right),
    };
  },

  block(config, { x, seed }, parameters, names) {
    const compute = () => {
      for (const parameter of parameters.values()) parameter.zero_grad();
      const input = torch.tensor(x, true);
      const weighted = block(input, (name) => parameters.get(`layers.0.${name}`), config).mul(torch.tensor(seed));
      const loss = weighted.sum(-1).sum(-1).sum(-1);
      loss.backward();
      return { loss, input };
    };
    const answers = () => {
      const { loss, input } = compute();
      const gradOf = (name) => transposed(flat(parameters.get(name).grad));
      const used = names.filter((name) => name.startsWith("layers."));
      const grads = used.map((name) => [name, packed(name, gradOf)]);
      return new Map([["loss", flat([loss.data].flat())], ["x", flat(input.grad)], ...grads]);
    };
    return { answers, run: compute };
  },

  train(config, { x, labels }, parameters) {
    const { learningRate, beta1, beta2, eps } = config.optimizer;
    const optimizer = new torch.optim.Adam([...parameters.values()], learningRate, 0, [beta1, beta2], eps);
    const criterion = new nn.CrossEntropyLoss();
    const [input, targets] = [torch.tensor(x), torch.tensor(labels)];
    const run = () => {
      let hidden = input;
      for (let i = 0; i < config.layers; i++)
        hidden = block(hidden, (name) => parameters.get(`layers.${i}.${name}`), config);
      const normed = layerNorm(hidden, (name) => parameters.get(name), "layerNorm");
      const loss = criterion.forward(
        linear(normed, (name) => parameters.get(name), "decoder"),
        targets,
      );
      loss.backward();
      optimizer.step();
      optimizer.zero_grad();
      return [loss.data].flat()[0];
    };
    return { answers: () => lossesOf(run), run };
  },
};

/** x [B, N, d] → [B, N, d]. */
function block(x, weight, { batch, tokens, hiddenSize, heads }) {
  const headSize = hiddenSize / heads;
  const normed = layerNorm(x, weight, "layerNormBefore");
  const [q, k, v] = ["query", "key", "value"].map((own) =>
    linear(normed, weight, `attention.${own}`).reshape([batch, tokens, heads, headSize]).transpose(1, 2),
  );
  const scores = q.matmul(k.transpose(-2, -1)).div(headSize ** 0.5);
  const mixed = softmax(scores).matmul(v).transpose(1, 2).reshape([batch, tokens, hiddenSize]);
  const attended = x.add(linear(mixed, weight, "attention.output"));
  const inner = new nn.ReLU().forward(linear(layerNorm(attended, weight, "layerNormAfter"), weight, "mlp.expand"));
  return attended.add(linear(inner, weight, "mlp.contract"));
}

const linear = (x, weight, name) => x.matmul(weight(`${name}.weight`)).add(weight(`${name}.bias`));

/** Row sums as products with ones. */
function softmax(scores) {
  const powers = torch.exp(scores);
  const size = scores.shape.at(-1);
  return powers.div(powers.matmul(torch.ones([size, 1])).matmul(torch.ones([1, size])));
}

function layerNorm(x, weight, name) {
  const layer = new nn.LayerNorm(x.shape.at(-1));
  [layer.gamma, layer.beta] = [weight(`${name}.weight`), weight(`${name}.bias`)];
  return layer.forward(x);
}
