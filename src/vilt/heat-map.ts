import type { Grid } from "./interpolation.ts";

/** What is below one standard deviation is not shown, and three are shown in full. */
const [LOWEST, HIGHEST] = [1, 3];

/**
 * How much of a word's mass lies on each patch, as the original's picture shows it: standardised over the grid with
 * the sample deviation, clipped to 1 … 3, stretched to 0 … 1. All 0 where no patch stands out (others divide by 0).
 *
 * @param masses mass of one word on each selected patch, without the image's class token, [P]
 * @param patchIndex row and column of each of them, [P, 2]; default: every patch of the grid, row by row
 * @returns [rows · columns], 0 = hidden, 1 = fully visible
 */
export function transportHeatMap(masses: ArrayLike<number>, grid: Grid, patchIndex?: ArrayLike<number>): Float64Array {
  const cells = new Float64Array(grid[0] * grid[1]);
  const cellOf = (k: number) => (patchIndex ? patchIndex[2 * k]! * grid[1] + patchIndex[2 * k + 1]! : k);
  for (let k = 0; k < masses.length; k++) cells[cellOf(k)] = masses[k]!;
  const mean = cells.reduce((sum, mass) => sum + mass, 0) / cells.length;
  const squares = cells.reduce((sum, mass) => sum + (mass - mean) ** 2, 0);
  const deviation = Math.sqrt(squares / (cells.length - 1));
  if (!(deviation > 0)) return cells.fill(0);
  const clipped = cells.map((mass) => Math.min(HIGHEST, Math.max(LOWEST, (mass - mean) / deviation)));
  const [low, high] = [Math.min(...clipped), Math.max(...clipped)];
  return high > low ? clipped.map((value) => (value - low) / (high - low)) : clipped.fill(0);
}
