import { fromArray } from "../../tensor/create.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { record } from "../graph.ts";

/**
 * The same values on another device, which waits for them. Pull-back: the gradient moves back.
 *
 * @throws {DTypeError} when that device does not hold the dtype; cast() first
 * @throws {DeviceError} when the device of `x` cannot be read at once
 */
export function toDevice(x: Tensor, device: string): Tensor {
  const moved = fromArray(x.dataSync(), x.shape, { dtype: x.dtype, device });
  const out = moved.alias(moved.shape, "toDevice");
  moved.release("toDevice()");
  record("toDevice", [x], out, (grad) => [() => toDevice(grad, x.device)]);
  return out;
}
