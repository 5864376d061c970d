import { gather } from "../autograd/ops/indexing.ts";
import { reshape } from "../autograd/ops/layout.ts";
import { expectShape } from "../tensor/expect-shape.ts";
import type { Tensor } from "../tensor/tensor.ts";

/**
 * Some tokens of a batch of sequences, whatever their number in each.
 *
 * @param x [B, N, d]
 * @param tokens int32 [n], places among the B · N
 * @returns [n, d]
 */
export function gatherTokens(x: Tensor, tokens: Tensor): Tensor {
  const [B, N, d] = expectShape(x, "B N d", "gatherTokens");
  return gather(reshape(x, [B * N, d]), tokens);
}
