import { embedding } from "../autograd/functions/embedding.ts";
import type { Parameter } from "../autograd/graph.ts";
import { reshape, select, slice } from "../autograd/ops/layout.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { type LayerOptions, tableWeight } from "./init.ts";
import { Module } from "./module.ts";

/** A table of learned vectors, one a row. */
export class Embedding extends Module {
  readonly weight: Parameter;
  /** Row that never gets a gradient; null for none. */
  readonly paddingIndex: number | null;

  constructor(
    numRows: number,
    hiddenSize: number,
    { paddingIndex = null, ...options }: LayerOptions & { readonly paddingIndex?: number | null },
  ) {
    super();
    this.weight = tableWeight([numRows, hiddenSize], options);
    this.paddingIndex = paddingIndex;
  }

  /** ids int32 [...] → [..., d]. */
  forward(ids: Tensor): Tensor {
    return embedding(this.weight.value, ids, { paddingIndex: this.paddingIndex });
  }

  /** One row, [d]. */
  row(index: number): Tensor {
    return select(this.weight.value, 0, index);
  }

  /** Rows 0 … count − 1, [count, d]. */
  first(count: number): Tensor {
    const { value } = this.weight;
    return count === value.shape[0] ? reshape(value, value.shape) : slice(value, 0, 0, count);
  }
}
