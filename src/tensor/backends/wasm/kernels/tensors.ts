import type { Operand } from "../../../backend.ts";
import type { Kernel } from "../assembly/kernel.ts";
import { addressOf, type WasmDevice } from "../device.ts";

/** Cells of a tile. */
const TILE_CELLS = 4096;
/** Integers of a row of the table; see `assembly/tensors.ts`. */
const ROW = 6;

/** How many tiles a job over these tensors has. */
export function tilesOf(tensors: readonly Operand[]): number {
  return tensors.reduce((tiles, { storage }) => tiles + Math.ceil(storage.size / TILE_CELLS), 0);
}

/** Runs a kernel over several tensors at once, each with its operands of the same size. */
export function runTensors(device: WasmDevice, kernel: Kernel, tensors: readonly (readonly Operand[])[]): void {
  const table = new Array<number>(ROW * tensors.length).fill(0);
  let tiles = 0;
  let cells = 0;
  for (const [row, operands] of tensors.entries()) {
    const { size } = operands[0]!.storage;
    table[ROW * row] = tiles;
    table[ROW * row + 1] = size;
    for (let n = 0; n < operands.length; n++) table[ROW * row + 2 + n] = addressOf(operands[n]!);
    tiles += Math.ceil(size / TILE_CELLS);
    cells += size;
  }
  device.withTable(table, (address) => {
    const { ints } = device;
    ints[0] = address;
    ints[1] = tensors.length;
    ints[2] = TILE_CELLS;
    device.run(kernel, tiles, cells);
  });
}

/** Operands of several tensors, `width` of each. */
export function grouped(operands: readonly Operand[], width: number): Operand[][] {
  return Array.from({ length: operands.length / width }, (_, i) => operands.slice(i * width, (i + 1) * width));
}
