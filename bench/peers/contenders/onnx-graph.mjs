// The ONNX graphs of a matrix product and of the encoder: nodes under their operators' names, opset 20 (which has GELU).
import onnxProto from "onnx-proto";
import { split, transposed } from "../data.mjs";

const { onnx } = onnxProto;
const { FLOAT, INT64 } = onnx.TensorProto.DataType;

/** The model's bytes; its input is `x` or `a` and `b`, its output `out`. */
export function onnxModel({ kind, config }, data) {
  const graph = new Graph();
  const { inputs, weights } = split(data);
  if (kind === "matmul") graph.add("MatMul", ["a", "b"], {}, "out");
  else encoder(graph, config, weights);
  const model = {
    irVersion: 9,
    opsetImport: [{ domain: "", version: 20 }],
    graph: {
      name: "peers",
      node: graph.nodes,
      initializer: graph.constants,
      input: [...inputs].map(([name, { shape }]) => valueInfo(name, shape)),
      output: [valueInfo("out", kind === "matmul" ? [config.m, config.n] : inputs.get("x").shape)],
    },
  };
  return onnx.ModelProto.encode(model).finish();
}

const valueInfo = (name, shape) => ({
  name,
  type: { tensorType: { elemType: FLOAT, shape: { dim: shape.map((dimValue) => ({ dimValue })) } } },
});

/** Nodes and constants in the order they were added; every method answers the name of its result. */
class Graph {
  nodes = [];
  constants = [];

  add(opType, input, attributes = {}, output = `t${this.nodes.length}`) {
    this.nodes.push({ opType, input, output: [output].flat(), attribute: Object.entries(attributes).map(attributeOf) });
    return output;
  }

  weight(name, { shape, data }) {
    const rawData = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    this.constants.push({ name, dims: shape, dataType: FLOAT, rawData });
    return name;
  }

  shape(sizes) {
    const name = `shape${this.constants.length}`;
    const rawData = new Uint8Array(BigInt64Array.from(sizes, BigInt).buffer);
    this.constants.push({ name, dims: [sizes.length], dataType: INT64, rawData });
    return name;
  }
}

function attributeOf([name, value]) {
  const { FLOAT, INT, INTS } = onnx.AttributeProto.AttributeType;
  if (Array.isArray(value)) return { name, type: INTS, ints: value };
  return Number.isInteger(value) ? { name, type: INT, i: value } : { name, type: FLOAT, f: value };
}

function encoder(graph, { batch, tokens, hiddenSize: d, heads, layers, eps }, weights) {
  for (const [name, array] of weights) graph.weight(name, transposed(array));
  const scale = graph.weight("scale", { shape: [], data: Float32Array.of((d / heads) ** -0.5) });
  const [split, merged] = [graph.shape([batch, tokens, heads, d / heads]), graph.shape([batch, tokens, d])];
  const linear = (x, name) => graph.add("Add", [graph.add("MatMul", [x, `${name}.weight`]), `${name}.bias`]);
  const norm = (x, name, output) =>
    graph.add("LayerNormalization", [x, `${name}.weight`, `${name}.bias`], { axis: -1, epsilon: eps }, output);
  let x = "x";
  for (let i = 0; i < layers; i++) {
    const own = `layers.${i}`;
    const packed = linear(norm(x, `${own}.layerNormBefore`), `${own}.attention.queryKeyValue`);
    const parts = graph.add("Split", [packed], { axis: 2, num_outputs: 3 }, [`q${i}`, `k${i}`, `v${i}`]);
    const orders = [
      [0, 2, 1, 3],
      [0, 2, 3, 1],
      [0, 2, 1, 3],
    ]; // the keys already transposed
    const [q, k, v] = parts.map((part, j) =>
      graph.add("Transpose", [graph.add("Reshape", [part, split])], { perm: orders[j] }),
    );
    const attention = graph.add("Softmax", [graph.add("Mul", [graph.add("MatMul", [q, k]), scale])], { axis: -1 });
    const mixed = graph.add("Transpose", [graph.add("MatMul", [attention, v])], { perm: [0, 2, 1, 3] });
    const attended = graph.add("Add", [x, linear(graph.add("Reshape", [mixed, merged]), `${own}.attention.output`)]);
    const inner = graph.add("Gelu", [linear(norm(attended, `${own}.layerNormAfter`), `${own}.mlp.expand`)]);
    x = graph.add("Add", [attended, linear(inner, `${own}.mlp.contract`)]);
  }
  norm(x, "layerNorm", "out");
}
