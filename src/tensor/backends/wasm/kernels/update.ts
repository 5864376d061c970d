import type { Operand } from "../../../backend.ts";
import { Kernel } from "../assembly/kernel.ts";
import { addressOf, type WasmDevice } from "../device.ts";
import type { HostKernels } from "./types.ts";

const TILE_CELLS = 4096;
const NUMBERS = 8;

/** Optimiser steps in place; see `update` of the cpu device for the equations. */
export const update = {
  adamw(device, inputs, _, attributes) {
    const { gradScale, beta1, beta2, eps, stepSize, gradientDecay, decayBefore, decayAfter } = attributes;
    const numbers = [gradScale, beta1, 1 - beta1, beta2, 1 - beta2, eps, stepSize];
    runUpdate(device, Kernel.adamw, inputs, [...numbers, gradientDecay, decayBefore, decayAfter]);
    return true;
  },
  sgd(device, inputs, _, { learningRate, momentum, nesterov, weightDecay, gradScale }) {
    device.ints[3] = nesterov ? 1 : 0;
    runUpdate(device, Kernel.sgd, inputs, [gradScale, weightDecay, momentum, learningRate]);
    return true;
  },
} satisfies HostKernels;

function runUpdate(device: WasmDevice, kernel: Kernel, operands: readonly Operand[], numbers: readonly number[]): void {
  const { ints, floats } = device;
  const { size } = operands[0]!.storage;
  for (let n = 0; n < operands.length; n++) ints[n] = addressOf(operands[n]!);
  ints[4] = size;
  ints[5] = TILE_CELLS;
  for (let n = 0; n < numbers.length; n++) floats[NUMBERS + n] = numbers[n]!;
  device.run(kernel, Math.ceil(size / TILE_CELLS), size);
}
