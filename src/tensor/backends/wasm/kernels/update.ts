import { Kernel } from "../assembly/kernel.ts";
import type { WasmDevice } from "../device.ts";
import { grouped, runTensors } from "./tensors.ts";
import type { HostKernels } from "./types.ts";

const NESTEROV = 3;
const NUMBERS = 8;

/** Optimiser steps in place; see `update` of the cpu device for the equations. */
export const update = {
  adamw(device, inputs, _, attributes) {
    const { gradScale, beta1, beta2, eps, stepSize, gradientDecay, decayBefore, decayAfter } = attributes;
    const numbers = [gradScale, beta1, 1 - beta1, beta2, 1 - beta2, eps, stepSize];
    setNumbers(device, [...numbers, gradientDecay, decayBefore, decayAfter]);
    runTensors(device, Kernel.adamw, grouped(inputs, 4));
    return true;
  },
  sgd(device, inputs, _, { learningRate, momentum, nesterov, weightDecay, gradScale }) {
    device.ints[NESTEROV] = nesterov ? 1 : 0;
    setNumbers(device, [gradScale, weightDecay, momentum, learningRate]);
    runTensors(device, Kernel.sgd, grouped(inputs, 3));
    return true;
  },
} satisfies HostKernels;

function setNumbers({ floats }: WasmDevice, numbers: readonly number[]): void {
  for (let n = 0; n < numbers.length; n++) floats[NUMBERS + n] = numbers[n]!;
}
