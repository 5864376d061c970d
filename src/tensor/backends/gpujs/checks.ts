import { DeviceError, formatShape, ShapeError } from "../../errors.ts";
import type { KernelName } from "../../kernels.ts";
import { sizeOf } from "../../shape.ts";
import type { GpuOperand } from "./kernels/types.ts";

/** @throws {DeviceError} when an operand or the output has more cells than a kernel can address */
export function checkSizes(kernel: KernelName, device: string, most: number, shapes: readonly (readonly number[])[]) {
  const large = shapes.find((shape) => sizeOf(shape) > most);
  if (large)
    throw new DeviceError(
      `${kernel}: ${formatShape(large)} has ${sizeOf(large)} cells, and device ${device} can address ${most}; use wasm`,
    );
}

/**
 * Looks at the indices that a kernel will follow, on the host: a kernel cannot refuse.
 *
 * @param inputs whose cells are known
 * @throws {ShapeError} for one that is out of range
 */
export function checkIndices(
  kernel: KernelName,
  inputs: readonly GpuOperand[],
  outShape: readonly number[],
  axis: number,
) {
  const shapes = inputs.map(({ shape }) => shape);
  switch (kernel) {
    case "gather":
      return checkRange(kernel, inputs[1]!, shapes[0]![0]!);
    case "scatterAdd":
      return checkRange(kernel, inputs[1]!, outShape[0]!);
    case "takeAlongAxis":
      return checkRange(kernel, inputs[1]!, shapes[0]![axis]!);
    case "putAlongAxis":
      return checkRange(kernel, inputs[1]!, outShape[axis]!);
    case "crossEntropy":
    case "crossEntropyBackward":
      return checkLabels(inputs[0]!, inputs[1]!);
  }
}

function checkRange(kernel: KernelName, indices: GpuOperand, count: number): void {
  const cells = indices.cells as Float32Array;
  const wrong = cells.find((index) => !(index >= 0 && index < count));
  if (wrong !== undefined) throw new ShapeError(kernel, `index ${wrong} is outside [0, ${count})`);
}

function checkLabels(logits: GpuOperand, labels: GpuOperand): void {
  const classes = logits.shape[1]!;
  const cells = labels.cells as Float32Array;
  const row = cells.findIndex((label) => label >= classes);
  if (row >= 0)
    throw new ShapeError("crossEntropy", `label ${cells[row]} at row ${row} is outside [0, ${classes})`, logits);
}
