import { Kernel } from "../assembly/kernel.ts";
import type { WasmDevice } from "../device.ts";

/** Adds `parts` arrays of `size` cells that stand one behind the other, in that order. */
export function sumParts(device: WasmDevice, from: number, to: number, parts: number, size: number): void {
  const { ints } = device;
  ints[0] = to;
  ints[1] = from;
  ints[2] = parts;
  ints[3] = size;
  device.run(Kernel.sumParts, Math.ceil(size / 4096), 0.3 * parts * size);
}
