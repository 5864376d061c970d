import { gather } from "../autograd/ops/indexing.ts";
import { reshape } from "../autograd/ops/layout.ts";
import { fromArray } from "../tensor/create.ts";
import { expectShape } from "../tensor/expect-shape.ts";
import type { Tensor } from "../tensor/tensor.ts";

/**
 * Some tokens of a batch of sequences, whatever their number in each.
 *
 * @param x [B, N, d]
 * @param tokens [n], places among the B · N
 * @returns [n, d]
 */
export function gatherTokens(x: Tensor, tokens: Int32Array): Tensor {
  const [B, N, d] = expectShape(x, "B N d", "gatherTokens");
  return gather(reshape(x, [B * N, d]), fromArray(tokens, [tokens.length], { device: x.device }));
}

/** The same tokens in sequences of another length. */
export function relocateTokens(tokens: Int32Array, length: number, newLength: number): Int32Array {
  return tokens.map((k) => Math.floor(k / length) * newLength + (k % length));
}
