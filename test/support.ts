import "../src/tensor/devices.ts";
import { fromArray, randn } from "../src/tensor/create.ts";
import { Rng } from "../src/tensor/rng.ts";
import type { Shape } from "../src/tensor/shape.ts";
import { sizeOf } from "../src/tensor/shape.ts";
import type { Tensor } from "../src/tensor/tensor.ts";

/** Where derivatives are checked. */
export const exact = { dtype: "float64", device: "cpu" } as const;

/** Normal draws in float64 on `cpu`, the same in every run. */
export function draw(shape: Shape, seed: number | string = 0): Tensor {
  return randn(shape, new Rng(`test/${seed}`), exact);
}

/** Draws at least `gap` away from each other and from 0, so that no kink lies within a difference quotient. */
export function drawApart(shape: Shape, seed: number | string = 0, gap = 0.1): Tensor {
  const size = sizeOf(shape);
  const order = new Rng(`apart/${seed}`).permutation(size);
  return fromArray(
    Float64Array.from(order, (k) => (k - (size - 1) / 2 + 0.25) * gap),
    shape,
    exact,
  );
}

export function ints(values: readonly number[], shape: Shape = [values.length], device = "cpu"): Tensor {
  return fromArray(Int32Array.from(values), shape, { device });
}

export function values(x: Tensor): number[] {
  return Array.from(x.dataSync());
}
