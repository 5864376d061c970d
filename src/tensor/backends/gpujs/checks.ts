import { ShapeError } from "../../errors.ts";
import type { KernelName } from "../../kernels.ts";
import type { GpuOperand } from "./kernels/types.ts";

/** Indices that a kernel will follow, and what refuses those that are out of range. */
export interface IndexCheck {
  readonly indices: GpuOperand;
  /** @throws {ShapeError} for one that is out of range */
  readonly check: (values: Float32Array) => void;
}

/** What has to be looked at on the host, since a kernel cannot refuse; null for kernels that follow no indices. */
export function indexCheck(
  kernel: KernelName,
  inputs: readonly GpuOperand[],
  outShape: readonly number[],
  axis: number,
): IndexCheck | null {
  const shape = inputs[0]?.shape;
  const within = (count: number): IndexCheck => ({
    indices: inputs[1]!,
    check: (values) => checkRange(kernel, values, count),
  });
  switch (kernel) {
    case "gather":
      return within(shape![0]!);
    case "scatterAdd":
      return within(outShape[0]!);
    case "takeAlongAxis":
      return within(shape![axis]!);
    case "putAlongAxis":
      return within(outShape[axis]!);
    case "crossEntropy":
    case "crossEntropyBackward":
      return { indices: inputs[1]!, check: (values) => checkLabels(inputs[0]!, values) };
    default:
      return null;
  }
}

function checkRange(kernel: KernelName, values: Float32Array, count: number): void {
  const wrong = values.find((index) => !(index >= 0 && index < count));
  if (wrong !== undefined) throw new ShapeError(kernel, `index ${wrong} is outside [0, ${count})`);
}

function checkLabels(logits: GpuOperand, values: Float32Array): void {
  const classes = logits.shape[1]!;
  const row = values.findIndex((label) => label >= classes);
  if (row >= 0)
    throw new ShapeError("crossEntropy", `label ${values[row]} at row ${row} is outside [0, ${classes})`, logits);
}
