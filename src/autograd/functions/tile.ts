import { ShapeError } from "../../tensor/errors.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { reshape } from "../ops/layout.ts";
import { broadcastTo } from "../ops/reduce.ts";

/**
 * The whole tensor repeated along its axes, as tiles: tile([1, 2], [3]) = [1, 2, 1, 2, 1, 2].
 * Pull-back: the sum over the tiles.
 *
 * @param repeats one number for each axis; the shorter of shape and repeats is filled up with 1 in front
 * @returns [..., rᵢ nᵢ, ...]
 * @throws {ShapeError} when a number of repeats is negative or not whole
 */
export function tile(x: Tensor, repeats: readonly number[]): Tensor {
  if (!repeats.every((r) => Number.isInteger(r) && r >= 0))
    throw new ShapeError("tile", `[${repeats.join(", ")}] are not whole, non-negative numbers of repeats`, x);
  const rank = Math.max(x.rank, repeats.length);
  const ones = (length: number) => Array.from({ length }, () => 1);
  const lengths = [...ones(rank - x.rank), ...x.shape];
  const counts = [...ones(rank - repeats.length), ...repeats];
  const apart = reshape(
    x,
    lengths.flatMap((n) => [1, n]),
  );
  const tiles = broadcastTo(
    apart,
    lengths.flatMap((n, axis) => [counts[axis], n]),
  );
  return reshape(
    tiles,
    lengths.map((n, axis) => counts[axis] * n),
  );
}
