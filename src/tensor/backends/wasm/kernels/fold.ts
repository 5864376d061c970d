import type { Operand } from "../../../backend.ts";
import type { WasmDevice } from "../device.ts";
import { addressOf } from "../device.ts";

/** Arguments of the element-wise kernels; see `assembly/elementwise.ts`. */
const OUT = 0;
const IN = 1;
const TOTAL = 5;
const LENGTH = 6;
const TILE_ROWS = 7;
const ADVANCE = 8;
const AXES = 11;
const SIZES = 12;
const PER_AXIS = 4;

/** Cells of a row when nothing but its end ends it, and of a tile. */
const ROW = 4096;
const TILE = 8192;

/**
 * Writes addresses and axes of an element-wise job: axes that all operands step through evenly become one, the last
 * of them the row, in which an operand advances or stands still.
 *
 * @returns the number of tiles
 */
export function fold(device: WasmDevice, inputs: readonly Operand[], out: Operand): number {
  const { ints } = device;
  const total = out.storage.size;
  if (total === 0) return 0;
  ints[OUT] = addressOf(out);
  for (let n = 0; n < inputs.length; n++) ints[IN + n] = addressOf(inputs[n]!);
  ints[TOTAL] = total;
  if (inputs.every(({ storage }) => storage.size === total || storage.size === 1)) foldFlat(ints, inputs, total);
  else foldAxes(ints, inputs, out.shape);
  const length = ints[LENGTH]!;
  const tileRows = Math.max(1, Math.floor(TILE / length));
  ints[TILE_ROWS] = tileRows;
  return Math.ceil(total / (tileRows * length));
}

/** Every operand has all cells or one. */
function foldFlat(ints: Int32Array, inputs: readonly Operand[], total: number): void {
  const length = Math.min(total, ROW);
  ints[LENGTH] = length;
  ints[AXES] = 1;
  ints[SIZES] = Math.ceil(total / length);
  for (let n = 0; n < inputs.length; n++) {
    const advance = inputs[n]!.storage.size === 1 ? 0 : 1;
    ints[ADVANCE + n] = advance;
    ints[SIZES + 1 + n] = advance * length;
  }
}

function foldAxes(ints: Int32Array, inputs: readonly Operand[], shape: readonly number[]): void {
  const rank = shape.length;
  const cells = inputs.map(() => 1); // of the operand behind the axes seen so far
  const steps = inputs.map(() => 0); // along the axis group in progress
  let size = 1; // of that group
  let groups = 0;
  const close = () => {
    if (groups++ === 0) {
      ints[LENGTH] = size;
      for (let n = 0; n < steps.length; n++) ints[ADVANCE + n] = steps[n]!;
    } else {
      const at = SIZES + PER_AXIS * (groups - 2);
      ints[at] = size;
      for (let n = 0; n < steps.length; n++) ints[at + 1 + n] = steps[n]!;
    }
  };
  for (let axis = rank - 1; axis >= 0; axis--) {
    const length = shape[axis]!;
    if (length === 1) continue;
    const own = inputs.map((input, n) => {
      const lead = axis - rank + input.shape.length;
      return lead < 0 || input.shape[lead] === 1 ? 0 : cells[n]!;
    });
    if (size > 1 && own.every((step, n) => step === steps[n]! * size)) size *= length;
    else {
      if (size > 1) close();
      size = length;
      for (let n = 0; n < own.length; n++) steps[n] = own[n]!;
    }
    for (let n = 0; n < own.length; n++) if (own[n] !== 0) cells[n]! *= length;
  }
  close();
  ints[AXES] = groups - 1;
}
