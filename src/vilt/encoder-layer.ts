import { gatherTokens } from "../nn/gather-tokens.ts";
import type { LayerOptions } from "../nn/init.ts";
import { LayerNorm } from "../nn/layer-norm.ts";
import { Mlp } from "../nn/mlp.ts";
import { Module } from "../nn/module.ts";
import { type AttentionInput, MultiHeadSelfAttention } from "../nn/multi-head-self-attention.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { ViltConfig } from "./config.ts";

export type EncoderLayerConfig = Pick<
  ViltConfig,
  "hiddenSize" | "numHeads" | "mlpRatio" | "dropout" | "queryKeyValueBias" | "encoderEps"
>;

/**
 * A pre-norm transformer block:
 *
 *   x ← x + MSA(LN₁(x)),   x ← x + MLP(LN₂(x))       (Dosovitskiy et al. 2021, eq. 2 and 3)
 */
export class EncoderLayer extends Module {
  readonly layerNormBefore: LayerNorm;
  readonly attention: MultiHeadSelfAttention;
  readonly layerNormAfter: LayerNorm;
  readonly mlp: Mlp;

  constructor(config: EncoderLayerConfig, options: LayerOptions) {
    super();
    const { hiddenSize: d, numHeads, mlpRatio, dropout, queryKeyValueBias, encoderEps } = config;
    this.layerNormBefore = new LayerNorm(d, encoderEps, options);
    this.attention = new MultiHeadSelfAttention(d, numHeads, { ...options, dropout, queryKeyValueBias });
    this.layerNormAfter = new LayerNorm(d, encoderEps, options);
    this.mlp = new Mlp(d, Math.round(d * mlpRatio), { ...options, dropout });
  }

  /**
   * x [B, N, d] → [B, N, d]; [n, d] where only some tokens are wanted: after the attention each goes on by itself, so
   * nothing is computed for the others.
   */
  forward(x: Tensor, { mask, rng, tokens }: Omit<AttentionInput, "residual"> = {}): Tensor {
    const residual = tokens ? gatherTokens(x, tokens) : x;
    const attended = this.attention.forward(this.layerNormBefore.forward(x), { mask, rng, tokens, residual });
    return this.mlp.forward(this.layerNormAfter.forward(attended), { rng, residual: attended });
  }

  /** The attention weights that `forward` uses on the same input, [B, h, N, N]. */
  attentionWeights(x: Tensor, mask?: Tensor): Tensor {
    return this.attention.weights(this.layerNormBefore.forward(x), mask);
  }
}
