import { DataError } from "../tensor/errors.ts";
import type { Grid } from "./interpolation.ts";

/** Which patches of a batch are real. */
export interface PatchMask {
  readonly grid: Grid;
  /** [B, gh, gw], 1 = real. */
  readonly valid: Uint8Array;
  /** [B, 2]: real patches in the first column and in the first row, the size that positions are interpolated to. */
  readonly extents: Int32Array;
  /** Whether every patch of every sample is real. */
  readonly isFull: boolean;
}

export interface PixelExtent {
  readonly batchSize: number;
  readonly height: number;
  readonly width: number;
  readonly patchSize: number;
}

/** Whole patches of an image; a strip that fills no patch is dropped. @throws {DataError} when there is none */
export function patchGrid({ height, width, patchSize }: Omit<PixelExtent, "batchSize">): Grid {
  const grid = [Math.floor(height / patchSize), Math.floor(width / patchSize)] as const;
  if (grid[0] === 0 || grid[1] === 0)
    throw new DataError(`image of ${height}×${width} pixels: smaller than one patch of ${patchSize}×${patchSize}`);
  return grid;
}

/** The mask of images without padding. */
export function fullPatchMask(extent: PixelExtent): PatchMask {
  const grid = patchGrid(extent);
  const extents = new Int32Array(2 * extent.batchSize).map((_, i) => grid[i % 2]!);
  return { grid, valid: new Uint8Array(extent.batchSize * grid[0] * grid[1]).fill(1), extents, isFull: true };
}

/**
 * Down-samples a pixel mask to patches: patch (i, j) takes the pixel (⌊i H / gh⌋, ⌊j W / gw⌋), its top-left one.
 *
 * @param pixelMask [B, H, W], 1 = real
 * @param allowHoles accept any mask whose first column and row are not empty, as the original does; else each
 *   sample's real patches must be a rectangle in the top-left corner
 * @throws {DataError} that names the sample
 */
export function patchMaskOf(pixelMask: ArrayLike<number>, extent: PixelExtent, allowHoles = false): PatchMask {
  const { batchSize, height, width } = extent;
  if (pixelMask.length !== batchSize * height * width)
    throw new DataError(
      `pixel mask: ${pixelMask.length} values do not fill ${batchSize} images of ${height}×${width} pixels`,
    );
  const grid = patchGrid(extent);
  const [rows, columns] = grid;
  const valid = new Uint8Array(batchSize * rows * columns);
  for (let cell = 0; cell < valid.length; cell++) {
    const [b, i, j] = [Math.floor(cell / (rows * columns)), Math.floor(cell / columns) % rows, cell % columns];
    const [y, x] = [Math.floor((i * height) / rows), Math.floor((j * width) / columns)];
    valid[cell] = pixelMask[(b * height + y) * width + x] ? 1 : 0;
  }
  const extents = new Int32Array(2 * batchSize);
  let total = 0;
  for (let b = 0; b < batchSize; b++) {
    const cells = valid.subarray(b * rows * columns, (b + 1) * rows * columns);
    const [h, w] = extentsOf(cells, grid);
    const count = cells.reduce((sum, cell) => sum + cell, 0);
    if (h * w === 0) throw new DataError(`pixel mask of sample ${b}: no real patch in its first row or column`);
    if (!allowHoles && (count !== h * w || !isRectangle(cells, grid, h, w)))
      throw new DataError(`pixel mask of sample ${b}: the real patches are not a rectangle in the top-left corner`);
    extents.set([h, w], 2 * b);
    total += count;
  }
  return { grid, valid, extents, isFull: total === valid.length };
}

/** Real cells in the first column and in the first row. */
function extentsOf(cells: Uint8Array, [rows, columns]: Grid): [number, number] {
  let h = 0;
  let w = 0;
  for (let i = 0; i < rows; i++) h += cells[i * columns]!;
  for (let j = 0; j < columns; j++) w += cells[j]!;
  return [h, w];
}

function isRectangle(cells: Uint8Array, [, columns]: Grid, h: number, w: number): boolean {
  return cells.every((cell, k) => cell === (Math.floor(k / columns) < h && k % columns < w ? 1 : 0));
}

/**
 * The pixel mask that the original derives: real where the sum over the channels is not exactly 0, so that padding is
 * 0 after normalisation. A real pixel may sum to 0 too; give an explicit mask where you can.
 *
 * @param pixels [B, 3, H, W], normalised
 */
export function pixelMaskFromValues(pixels: ArrayLike<number>, batchSize: number, numChannels = 3): Uint8Array {
  const area = pixels.length / batchSize / numChannels;
  const mask = new Uint8Array(batchSize * area);
  for (let k = 0; k < mask.length; k++) {
    const first = Math.floor(k / area) * numChannels * area + (k % area);
    let sum = 0;
    for (let c = 0; c < numChannels; c++) sum += pixels[first + c * area]!;
    mask[k] = sum === 0 ? 0 : 1;
  }
  return mask;
}
