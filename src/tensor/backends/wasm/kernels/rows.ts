import type { Operand } from "../../../backend.ts";
import { ShapeError } from "../../../errors.ts";
import { Kernel, Reduction } from "../assembly/kernel.ts";
import { addressOf, type WasmDevice } from "../device.ts";
import type { WasmStorage } from "../residents.ts";
import { reduceRows, sumParts } from "./reductions.ts";
import type { HostKernel, HostKernels, PlainKernel } from "./types.ts";

/** Arguments of all kernels over rows. */
const ADDEND = 4;
const ROWS = 5;
const LENGTH = 6;
const TILE_ROWS = 7;
const NUMBER = 8;
const WEIGHT_PARTS = 9;
const BIAS_PARTS = 10;

const TILE_CELLS = 4096;
/** Rows, at least, that one part of the gradients of parameters gathers. */
const PARAMETER_ROWS = 32;
const PLAIN = 1;
const EXPONENTIAL = 2;

/** Kernels over rows of the last axis: softmax, layer normalisation, cross-entropy. */
export const rows = {
  softmax: rowKernel(Kernel.softmax),
  softmaxBackward: rowKernel(Kernel.softmaxBackward),
  logSoftmax: rowKernel(Kernel.logSoftmax),
  layerNorm(device, inputs, out, { eps }) {
    device.floats[NUMBER] = eps;
    runRows(device, Kernel.layerNorm, inputs, out, inputs[0]!, PLAIN);
    return true;
  },
  layerNormBackward(device, inputs, out, { eps }) {
    layerNormBackward(device, inputs, out, eps);
    return true;
  },
  crossEntropy(device, [logits, labels], out) {
    const [n] = logits!.shape as [number, number];
    const share = 1 / Math.max(1, countLabels(device, logits!, labels!));
    device.withBlock(n * 4, (losses) => {
      device.floats[NUMBER] = share;
      runRows(device, Kernel.crossEntropy, [logits!, labels!], losses, logits!, EXPONENTIAL);
      reduceRows(device, Reduction.sum, losses, addressOf(out), 1, n, n);
    });
    return true;
  },
  crossEntropyBackward(device, inputs, out) {
    device.floats[NUMBER] = 1 / Math.max(1, countLabels(device, inputs[0]!, inputs[1]!));
    runRows(device, Kernel.crossEntropyBackward, inputs, out, inputs[0]!, EXPONENTIAL);
    return true;
  },
} satisfies HostKernels;

/**
 * The gradient of x; those of the parameters are added up by tiles on the way.
 *
 * @param inputs x, weight, grad, and what is added to the gradient of x
 * @param parameters where their gradients go, if anyone wants them
 */
function layerNormBackward(
  device: WasmDevice,
  inputs: readonly Operand[],
  out: Operand,
  eps: number,
  parameters?: { readonly weight: number; readonly bias: number },
): void {
  if (out.storage.size === 0) return;
  const { ints, floats } = device;
  const length = out.shape.at(-1)!;
  const tileCells = Math.max(TILE_CELLS, PARAMETER_ROWS * length);
  const parts = Math.ceil(out.storage.size / length / tileRowsOf(length, tileCells));
  const size = parts * length;
  device.withBlock(8 * size, (weight) => {
    const bias = weight + 4 * size;
    floats[NUMBER] = eps;
    ints[WEIGHT_PARTS] = weight;
    ints[BIAS_PARTS] = bias;
    ints[ADDEND] = 0; // unless there is one
    runRows(device, Kernel.layerNormBackward, inputs, out, out, PLAIN, tileCells);
    if (!parameters) return;
    sumParts(device, weight, parameters.weight, 0, { parts, size: length });
    sumParts(device, bias, parameters.bias, 0, { parts, size: length });
  });
}

export const layerNormGradients: HostKernel<"layerNormGradients"> = (device, operands, out, { eps }) => {
  const [weight, bias] = operands.slice(-2) as [Operand, Operand];
  if (out.storage.size === 0) for (const { storage } of [weight, bias]) device.view(storage as WasmStorage).fill(0);
  const parameters = { weight: addressOf(weight), bias: addressOf(bias) };
  layerNormBackward(device, operands.slice(0, -2), out, eps, parameters);
  return true;
};

function rowKernel(kernel: Kernel): PlainKernel {
  return (device, inputs, out) => {
    runRows(device, kernel, inputs, out, out, EXPONENTIAL);
    return true;
  };
}

/** @param of whose last axis the rows are */
function runRows(
  device: WasmDevice,
  kernel: Kernel,
  inputs: readonly Operand[],
  out: Operand | number,
  of: Operand,
  cost: number,
  tileCells = TILE_CELLS,
): void {
  const { ints } = device;
  const length = of.shape.at(-1)!;
  if (of.storage.size === 0) return;
  const count = of.storage.size / length;
  const tileRows = tileRowsOf(length, tileCells);
  ints[0] = typeof out === "number" ? out : addressOf(out);
  for (let n = 0; n < inputs.length; n++) ints[1 + n] = addressOf(inputs[n]!);
  ints[ROWS] = count;
  ints[LENGTH] = length;
  ints[TILE_ROWS] = tileRows;
  device.run(kernel, Math.ceil(count / tileRows), cost * of.storage.size);
}

function tileRowsOf(length: number, tileCells: number): number {
  return Math.max(1, Math.floor(tileCells / length));
}

/** How many rows have a label. @throws {ShapeError} for a label that is no column */
function countLabels(device: WasmDevice, logits: Operand, labels: Operand): number {
  const view = device.peek((labels.storage as WasmStorage).holding);
  const classes = logits.shape[1]!;
  let count = 0;
  for (let i = 0; i < view.length; i++) {
    if (view[i]! >= classes)
      throw new ShapeError("crossEntropy", `label ${view[i]} at row ${i} is outside [0, ${classes})`, logits);
    if (view[i]! >= 0) count++;
  }
  return count;
}
