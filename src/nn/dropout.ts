import { dropout } from "../autograd/functions/dropout.ts";
import type { Rng } from "../tensor/rng.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { Module } from "./module.ts";

/** Zeroes each element with a probability and scales the others up; the identity without an `Rng`: evaluation. */
export class Dropout extends Module {
  constructor(readonly probability: number) {
    super();
  }

  forward(x: Tensor, rng?: Rng): Tensor {
    return dropout(x, this.probability, rng);
  }

  /** Whether `forward` with this `rng` is anything but the identity. */
  isActive(rng?: Rng): boolean {
    return rng !== undefined && this.probability > 0;
  }
}
