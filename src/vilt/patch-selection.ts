import { DataError } from "../tensor/errors.ts";
import type { Rng } from "../tensor/rng.ts";
import type { Grid } from "./interpolation.ts";
import type { PatchMask } from "./patch-mask.ts";

/** Which patches of each sample enter the transformer, and in which order. */
export interface PatchSelection {
  readonly grid: Grid;
  /** [B, 2], see `PatchMask`. */
  readonly extents: Int32Array;
  /** P, the same for every sample. */
  readonly length: number;
  /** [B, P]: row · columns + column of each patch. */
  readonly index: Int32Array;
  /** [B, P], 1 = real, 0 = a padding patch that nothing attends to. */
  readonly mask: Int32Array;
  /** Every cell of the grid in row-major order, all real: nothing has to be looked up. */
  readonly isWhole: boolean;
}

export interface SelectionOptions {
  /** Most patches of a sample; null for no limit. */
  readonly maxLength?: number | null;
  /** Draws which patches stay where the limit bites: training. Without it the first ones stay: evaluation. */
  readonly rng?: Rng;
}

/**
 * Keeps P = min(maxLength, largest image of the batch in patches) patches of each sample. A sample with more of them
 * keeps P at random without replacement (in training), one with fewer keeps all in row-major order and is filled up
 * with padding patches. Where nothing has to be dropped, the order stays row-major: the original shuffles there too,
 * which changes nothing but rounding, since attention does not see the order and positions are already added.
 */
export function selectPatches(patches: PatchMask, { maxLength = null, rng }: SelectionOptions = {}): PatchSelection {
  const { grid, valid, extents } = patches;
  const cells = grid[0] * grid[1];
  const batchSize = valid.length / cells;
  let largest = 0;
  for (let b = 0; b < batchSize; b++) largest = Math.max(largest, extents[2 * b]! * extents[2 * b + 1]!);
  const length = Math.min(maxLength ?? largest, largest);
  const index = new Int32Array(batchSize * length);
  const mask = new Int32Array(batchSize * length);
  for (let b = 0; b < batchSize; b++) {
    const [padded, real]: [number[], number[]] = [[], []];
    for (let cell = 0; cell < cells; cell++) (valid[b * cells + cell] ? real : padded).push(cell);
    const kept = real.length > length && rng ? rng.shuffle(real).slice(0, length) : real.slice(0, length);
    const padding = kept.length < length ? padded[0]! : 0;
    index.fill(padding, b * length, (b + 1) * length).set(kept, b * length);
    mask.fill(1, b * length, b * length + kept.length);
  }
  return { grid, extents, length, index, mask, isWhole: patches.isFull && length === cells };
}

/** A selection made elsewhere, for instance recorded with a reference: [B, P] cells of the grid. */
export function givenSelection({ grid, valid, extents }: PatchMask, index: Int32Array): PatchSelection {
  const cells = grid[0] * grid[1];
  const batchSize = valid.length / cells;
  const length = index.length / batchSize;
  if (!Number.isInteger(length)) throw new DataError(`patch selection: ${index.length} patches of ${batchSize} images`);
  const outside = index.find((cell) => cell < 0 || cell >= cells);
  if (outside !== undefined) throw new DataError(`patch selection: no cell ${outside} in a grid of ${grid.join("×")}`);
  const mask = index.map((cell, k) => valid[Math.floor(k / length) * cells + cell]!);
  return { grid, extents, length, index, mask, isWhole: false };
}

/** Row and column of each selected patch, [B, P, 2]. */
export function patchCoordinates({ index, grid: [, columns] }: PatchSelection): Int32Array {
  return Int32Array.from({ length: 2 * index.length }, (_, k) => {
    const cell = index[k >> 1]!;
    return k % 2 === 0 ? Math.floor(cell / columns) : cell % columns;
  });
}
