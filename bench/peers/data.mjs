// The numbers of a work: inputs and weights, the same for every contender, and the files that carry them.
import { readFileSync, writeFileSync } from "node:fs";
import { parseSafetensors, serializeSafetensors } from "../../dist/data/safetensors.js";

/** Names and shapes of an encoder's weights, as viltgrad calls them; matrices are [out, in]. */
function* weightsOf({ layers, hiddenSize: d, mlpRatio, vocabulary }) {
  const linear = (name, inputs, outputs) => [
    [`${name}.weight`, [outputs, inputs], inputs ** -0.5],
    [`${name}.bias`, [outputs], 0.1],
  ];
  const norm = (name) => [
    [`${name}.weight`, [d], 0.1, 1],
    [`${name}.bias`, [d], 0.1],
  ];
  for (let i = 0; i < layers; i++) {
    yield* norm(`layers.${i}.layerNormBefore`);
    yield* linear(`layers.${i}.attention.queryKeyValue`, d, 3 * d);
    yield* linear(`layers.${i}.attention.output`, d, d);
    yield* norm(`layers.${i}.layerNormAfter`);
    yield* linear(`layers.${i}.mlp.expand`, d, mlpRatio * d);
    yield* linear(`layers.${i}.mlp.contract`, mlpRatio * d, d);
  }
  yield* norm("layerNorm");
  if (vocabulary) yield* linear("decoder", d, vocabulary);
}

/** Name, shape, standard deviation and mean of everything a work needs. */
function* arraysOf({ kind, config }) {
  if (kind === "matmul") {
    const { m, k, n } = config;
    yield ["a", [m, k], 1];
    yield ["b", [k, n], 1];
    return;
  }
  const { batch, tokens, hiddenSize } = config;
  yield ["x", [batch, tokens, hiddenSize], 1];
  if (kind === "block") yield ["seed", [batch, tokens, hiddenSize], 1];
  yield* weightsOf(config);
}

/** Uniform numbers of mean 0 and deviation 1 (Mulberry32): 85 million of them in a second. */
function uniform(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t = (t + Math.imul(t ^ (t >>> 7), t | 61)) ^ t;
    return (((t ^ (t >>> 14)) >>> 0) / 2 ** 32 - 0.5) * 12 ** 0.5;
  };
}

/** Draws all arrays of a work and writes them as safetensors. */
export function writeData(work, file) {
  const draw = uniform(1);
  const arrays = new Map();
  for (const [name, shape, deviation, mean = 0] of arraysOf(work)) {
    const data = new Float32Array(shape.reduce((product, size) => product * size, 1));
    for (let i = 0; i < data.length; i++) data[i] = mean + deviation * draw();
    arrays.set(name, { shape, data });
  }
  if (work.kind === "train") {
    const { batch, tokens, vocabulary } = work.config;
    const data = Int32Array.from({ length: batch * tokens }, (_, i) => (i * 7919) % vocabulary);
    arrays.set("labels", { shape: [batch * tokens], data });
  }
  writeArrays(file, arrays);
}

export function writeArrays(file, arrays) {
  writeFileSync(file, serializeSafetensors(arrays));
}

/** Arrays by name, each `{ shape, data }`. */
export function readArrays(file) {
  return parseSafetensors(readFileSync(file), file);
}

const inputNames = ["a", "b", "x", "seed", "labels"];

/** The arrays of a work as its inputs and the weights of its encoder. */
export function split(arrays) {
  const pick = (isInput) => new Map([...arrays].filter(([name]) => inputNames.includes(name) === isInput));
  return { inputs: pick(true), weights: pick(false) };
}

/** The values of a map through `convert`, as an object. */
export function mapped(arrays, convert) {
  return Object.fromEntries([...arrays].map(([name, array]) => [name, convert(array)]));
}

/** A matrix the other way round: most peers keep weights as [in, out]. Vectors are answered as they are. */
export function transposed({ shape, data }) {
  if (shape.length !== 2) return { shape, data };
  const [rows, columns] = shape;
  const out = new Float32Array(data.length);
  for (let i = 0; i < rows; i++) for (let j = 0; j < columns; j++) out[j * rows + i] = data[i * columns + j];
  return { shape: [columns, rows], data: out };
}

/** The losses of the first three steps, which is what contenders are compared by before they are timed. */
export async function lossesOf(step) {
  const losses = [await step(), await step(), await step()];
  return new Map([["losses", { shape: [3], data: Float32Array.from(losses) }]]);
}
