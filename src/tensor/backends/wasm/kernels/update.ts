import type { Operand } from "../../../backend.ts";
import { Kernel } from "../assembly/kernel.ts";
import { addressOf, type WasmDevice } from "../device.ts";
import { grouped, runTensors } from "./tensors.ts";
import type { HostKernels } from "./types.ts";

const NESTEROV = 3;
const FACTOR = 4;
const NUMBERS = 9;

/** Optimiser steps in place; see `update` of the cpu device for the equations. */
export const update = {
  adamw(device, inputs, _, attributes) {
    const { beta1, beta2, eps, stepSize, gradientDecay, decayBefore, decayAfter } = attributes;
    const numbers = [beta1, 1 - beta1, beta2, 1 - beta2, eps, stepSize];
    setNumbers(device, inputs, [...numbers, gradientDecay, decayBefore, decayAfter]);
    runTensors(device, Kernel.adamw, grouped(inputs.slice(0, -1), 4));
    return true;
  },
  sgd(device, inputs, _, { learningRate, momentum, nesterov, weightDecay }) {
    device.ints[NESTEROV] = nesterov ? 1 : 0;
    setNumbers(device, inputs, [weightDecay, momentum, learningRate]);
    runTensors(device, Kernel.sgd, grouped(inputs.slice(0, -1), 3));
    return true;
  },
} satisfies HostKernels;

/** Where the factor of the gradients, the last operand, stands, and the other numbers. */
function setNumbers({ ints, floats }: WasmDevice, inputs: readonly Operand[], numbers: readonly number[]): void {
  ints[FACTOR] = addressOf(inputs.at(-1)!);
  for (let n = 0; n < numbers.length; n++) floats[NUMBERS + n] = numbers[n]!;
}
