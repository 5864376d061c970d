import { commonDType } from "../../tensor/dtype.ts";
import { ShapeError } from "../../tensor/errors.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { add, mul } from "../ops/arithmetic.ts";
import { reshape } from "../ops/layout.ts";

/** One number for each channel. */
export interface ChannelParameters {
  /** [C]; 1 unless given. */
  readonly weight?: Tensor | null;
  /** [C]; 0 unless given. */
  readonly bias?: Tensor | null;
}

/** A vector over channels, [C], shaped to stand beside x [B, C, ...]. @throws {ShapeError} when C differs */
export function perChannel(operation: string, name: string, vector: Tensor, x: Tensor): Tensor {
  if (vector.rank !== 1 || vector.size !== x.shape[1])
    throw new ShapeError(operation, `the ${name} is not one number for each channel on axis 1`, x, vector);
  commonDType(operation, [x, vector]);
  return reshape(vector, [vector.size, ...x.shape.slice(2).map(() => 1)]);
}

/** x ∘ w + b for each channel. */
export function scaleChannels(operation: string, x: Tensor, { weight, bias }: ChannelParameters): Tensor {
  const scaled = weight ? mul(x, perChannel(operation, "weight", weight, x)) : x;
  return bias ? add(scaled, perChannel(operation, "bias", bias, x)) : scaled;
}
