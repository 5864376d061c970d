import { attention, attentionWeights } from "../autograd/functions/attention.ts";
import { ConfigError } from "../tensor/errors.ts";
import { expectShape } from "../tensor/expect-shape.ts";
import type { Rng } from "../tensor/rng.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { Dropout } from "./dropout.ts";
import { gatherTokens, relocateTokens } from "./gather-tokens.ts";
import type { LayerOptions } from "./init.ts";
import { Linear } from "./linear.ts";
import { Module } from "./module.ts";
import { projectOnto } from "./residual.ts";

export interface AttentionOptions extends LayerOptions {
  /** Of the projected output; the weights themselves are never dropped, as in the original. */
  readonly dropout?: number;
  /** Whether queries, keys and values have a bias. Default: true. */
  readonly queryKeyValueBias?: boolean;
}

export interface AttentionInput {
  /** int32 [B, N], 1 = token and 0 = padding. */
  readonly mask?: Tensor;
  readonly rng?: Rng;
  /** [n], places among the B · N: the tokens whose output is wanted, while all are attended to. */
  readonly tokens?: Int32Array;
  /** Added to the output. */
  readonly residual?: Tensor;
}

/**
 * Multi-head self-attention over the joint sequence of word and patch tokens.
 *
 *   headᵢ = softmax(Qᵢ Kᵢᵀ / √dh) Vᵢ,   out = [head₁ … head_h] Wo + bo       (Vaswani et al. 2017, §3.2)
 *
 * Queries, keys and values come from one packed matrix whose rows are ordered q, k, v, each third by head.
 */
export class MultiHeadSelfAttention extends Module {
  readonly queryKeyValue: Linear;
  readonly output: Linear;
  readonly dropout: Dropout;

  constructor(
    readonly hiddenSize: number,
    readonly numHeads: number,
    { dropout = 0, queryKeyValueBias = true, ...options }: AttentionOptions,
  ) {
    super();
    if (hiddenSize % numHeads !== 0)
      throw new ConfigError(
        `MultiHeadSelfAttention: hiddenSize ${hiddenSize} is not a multiple of numHeads ${numHeads}`,
      );
    this.queryKeyValue = new Linear(hiddenSize, 3 * hiddenSize, { ...options, bias: queryKeyValueBias });
    this.output = new Linear(hiddenSize, hiddenSize, options);
    this.dropout = new Dropout(dropout);
  }

  /** x [B, N, d] → [B, N, d]; [n, d] where only some tokens are wanted. */
  forward(x: Tensor, { mask, rng, tokens, residual }: AttentionInput = {}): Tensor {
    expectShape(x, `B N ${this.hiddenSize}`, "MultiHeadSelfAttention");
    const packed = this.queryKeyValue.forward(x);
    const heads = tokens ? this.headsOf(tokens, packed, mask) : attention(packed, this.numHeads, mask);
    return projectOnto(this.output, this.dropout, heads, { rng, residual });
  }

  /** [n, d] of some tokens; none behind the last one of them asks. */
  private headsOf(tokens: Int32Array, packed: Tensor, mask?: Tensor): Tensor {
    const N = packed.shape[1]!;
    const queries = tokens.reduce((most, k) => Math.max(most, 1 + (k % N)), 1);
    return gatherTokens(attention(packed, this.numHeads, mask, queries), relocateTokens(tokens, N, queries));
  }

  /** The attention weights of `forward`, [B, h, N, N]: row = query, column = key. */
  weights(x: Tensor, mask?: Tensor): Tensor {
    expectShape(x, `B N ${this.hiddenSize}`, "MultiHeadSelfAttention");
    return attentionWeights(this.queryKeyValue.forward(x), this.numHeads, mask);
  }
}
