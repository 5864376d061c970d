import type { Operand } from "../../../backend.ts";
import { Kernel } from "../assembly/kernel.ts";
import type { WasmDevice } from "../device.ts";
import type { WasmStorage } from "../residents.ts";
import { grouped, runTensors } from "./tensors.ts";
import type { HostKernels } from "./types.ts";

const NESTEROV = 3;
const NUMBERS = 8;

/** Optimiser steps in place; see `update` of the cpu device for the equations. */
export const update = {
  adamw(device, inputs, _, attributes) {
    const { beta1, beta2, eps, stepSize, gradientDecay, decayBefore, decayAfter } = attributes;
    const numbers = [scaleOf(device, inputs), beta1, 1 - beta1, beta2, 1 - beta2, eps, stepSize];
    setNumbers(device, [...numbers, gradientDecay, decayBefore, decayAfter]);
    runTensors(device, Kernel.adamw, grouped(inputs.slice(0, -1), 4));
    return true;
  },
  sgd(device, inputs, _, { learningRate, momentum, nesterov, weightDecay }) {
    device.ints[NESTEROV] = nesterov ? 1 : 0;
    setNumbers(device, [scaleOf(device, inputs), weightDecay, momentum, learningRate]);
    runTensors(device, Kernel.sgd, grouped(inputs.slice(0, -1), 3));
    return true;
  },
} satisfies HostKernels;

/** The factor of the gradients, the last operand. */
function scaleOf(device: WasmDevice, inputs: readonly Operand[]): number {
  return device.view(inputs.at(-1)!.storage as WasmStorage)[0]!;
}

function setNumbers({ floats }: WasmDevice, numbers: readonly number[]): void {
  for (let n = 0; n < numbers.length; n++) floats[NUMBERS + n] = numbers[n]!;
}
