import type { Tensor } from "../../tensor/tensor.ts";
import { detach } from "../graph.ts";
import { gather } from "../ops/indexing.ts";
import { expandDims } from "../ops/layout.ts";
import { equal, where } from "../ops/select.ts";

/**
 * Rows of a table of vectors: out[i…] = table[ids[i…]]. Pull-back: each row's gradients added up.
 *
 * @param table [n, d]
 * @param ids int32 of any shape, each in [0, n)
 * @param options.paddingIndex the id of a row that never gets a gradient
 * @returns [...ids.shape, d]
 * @throws {ShapeError} when an id is out of range
 * @throws {DTypeError} when the ids are not int32
 */
export function embedding(
  table: Tensor,
  ids: Tensor,
  { paddingIndex = null }: { readonly paddingIndex?: number | null } = {},
): Tensor {
  const rows = gather(table, ids);
  if (paddingIndex === null) return rows;
  const isPadding = expandDims(equal(ids, paddingIndex), ids.rank); // [..., 1]
  return where(isPadding, detach(rows), rows);
}
