import { type Shape, sizeOf, stridesOf } from "../../../shape.ts";
import { Kernel } from "../assembly/kernel.ts";
import { addressOf, type WasmDevice } from "../device.ts";
import type { HostKernels } from "./types.ts";

const TILE_CELLS = 8192;
const NANOSECONDS = 0.5;

/** A way through memory: the cell to begin with, and the distance to the next one along each axis. */
interface Path {
  readonly address: number;
  readonly strides: readonly number[];
}

export const layout = {
  permute(device, [x], out, { axes }) {
    const strides = stridesOf(x!.shape);
    copy(
      device,
      out.shape,
      pathOf(
        addressOf(x!),
        axes.map((axis) => strides[axis]!),
      ),
      rowMajor(addressOf(out), out.shape),
    );
    return true;
  },
  slice(device, [x], out, { starts, steps }) {
    copy(device, out.shape, stepped(addressOf(x!), x!.shape, starts, steps), rowMajor(addressOf(out), out.shape));
    return true;
  },
  pad(device, [x], out, { starts, steps, value }) {
    fill(device, addressOf(out), out.storage.size, value, out.dtype === "int32");
    copy(device, x!.shape, rowMajor(addressOf(x!), x!.shape), stepped(addressOf(out), out.shape, starts, steps));
    return true;
  },
  concat(device, inputs, out, { axis }) {
    const strides = stridesOf(out.shape);
    let address = addressOf(out);
    for (const input of inputs) {
      copy(device, input.shape, rowMajor(addressOf(input), input.shape), pathOf(address, strides));
      address += 4 * strides[axis]! * input.shape[axis]!;
    }
    return true;
  },
} satisfies HostKernels;

function pathOf(address: number, strides: readonly number[]): Path {
  return { address, strides };
}

function rowMajor(address: number, shape: Shape): Path {
  return { address, strides: stridesOf(shape) };
}

/** Cell i of the path is cell start + i · step of the array. */
function stepped(address: number, shape: Shape, starts: readonly number[], steps: readonly number[]): Path {
  const strides = stridesOf(shape);
  const offset = starts.reduce((sum, start, axis) => sum + start * strides[axis]!, 0);
  return { address: address + 4 * offset, strides: strides.map((stride, axis) => stride * steps[axis]!) };
}

/** Copies along two paths of one shape; axes that both step through evenly become one. */
function copy(device: WasmDevice, shape: Shape, from: Path, to: Path): void {
  const cells = sizeOf(shape);
  if (cells === 0) return;
  const { ints } = device;
  let at = 2; // the row first, then the outer axes
  let size = 1;
  let fromStep = 1;
  let toStep = 1;
  const close = () => {
    ints[at] = size;
    ints[at + 1] = fromStep;
    ints[at + 2] = toStep;
    at = at === 2 ? 8 : at + 3;
  };
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    const length = shape[axis]!;
    if (length === 1) continue;
    const isEven = from.strides[axis] === fromStep * size && to.strides[axis] === toStep * size;
    if (size > 1 && isEven) size *= length;
    else {
      if (size > 1) close();
      size = length;
      fromStep = from.strides[axis]!;
      toStep = to.strides[axis]!;
    }
  }
  close();
  if (at === 8) at = cutRow(ints, cells, fromStep === 1 && toStep === 1);
  const rows = Math.ceil(cells / ints[2]!);
  const tileRows = Math.max(1, Math.floor(TILE_CELLS / ints[2]!));
  ints[0] = to.address;
  ints[1] = from.address;
  ints[5] = rows;
  ints[6] = tileRows;
  ints[7] = (at - 8) / 3;
  device.run(Kernel.copy, Math.ceil(rows / tileRows), NANOSECONDS * cells);
}

/** A single row is a run of rows as well: one, or several that share out evenly where a number divides a long one. */
function cutRow(ints: Int32Array, cells: number, isDense: boolean): number {
  let length = isDense ? Math.min(cells, TILE_CELLS) : cells;
  while (length > 256 && cells % length !== 0) length--;
  if (cells % length !== 0) length = cells;
  ints[2] = length;
  ints[8] = cells / length;
  ints[9] = length;
  ints[10] = length;
  return 11;
}

function fill(device: WasmDevice, address: number, cells: number, value: number, isInt: boolean): void {
  const { ints, floats } = device;
  ints[0] = address;
  if (isInt) ints[1] = value;
  else floats[1] = value;
  ints[5] = cells;
  ints[6] = TILE_CELLS;
  device.run(Kernel.fill, Math.ceil(cells / TILE_CELLS), 0.2 * cells);
}
