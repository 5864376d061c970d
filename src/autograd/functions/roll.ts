import { ShapeError } from "../../tensor/errors.ts";
import { normalizeAxis } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { concat, reshape, slice } from "../ops/layout.ts";

/**
 * Moves cells along axes and lets what leaves at the end come in at the start: yᵢ = x₍ᵢ₋ₛ₎, positions modulo the length.
 * Pull-back: the gradient rolled back.
 *
 * @param shifts cells to move by, one for each axis; negative ones move towards the start
 * @param axes without any, the cells are rolled in row-major order of the whole tensor
 * @throws {ShapeError} when there are not as many shifts as axes, or a shift is not whole
 */
export function roll(x: Tensor, shifts: number | readonly number[], axes?: number | readonly number[]): Tensor {
  const steps = [shifts].flat();
  if (axes === undefined && steps.length === 1) return reshape(rollAxis(reshape(x, [-1]), steps[0], 0), x.shape);
  const along = axes === undefined ? [] : [axes].flat();
  if (steps.length !== along.length) throw new ShapeError("roll", `${steps.length} shifts for ${along.length} axes`, x);
  return steps.reduce((y, step, i) => rollAxis(y, step, normalizeAxis("roll", along[i], x.rank)), x);
}

function rollAxis(x: Tensor, shift: number, axis: number): Tensor {
  if (!Number.isInteger(shift)) throw new ShapeError("roll", `a shift of ${shift} is not whole`, x);
  const n = x.shape[axis];
  const split = ((-shift % n) + n) % n || 0; // NaN for n = 0
  return split === 0 ? x : concat([slice(x, axis, split), slice(x, axis, 0, split)], axis);
}
