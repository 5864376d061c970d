import { add, mul } from "../autograd/ops/arithmetic.ts";
import type { LayerOptions } from "../nn/init.ts";
import { Module } from "../nn/module.ts";
import { fromArray } from "../tensor/create.ts";
import type { Rng } from "../tensor/rng.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { ViltConfig, WordPatchAlignmentConfig } from "./config.ts";
import { ImageTextMatchingHead } from "./heads/image-text-matching.ts";
import { MaskedLanguageModelingHead } from "./heads/masked-language-modeling.ts";
import { Vilt, type ViltEncoding } from "./model.ts";
import { imageTextMatchingLoss } from "./objectives/image-text-matching.ts";
import { type MaskedLanguageModelingLoss, maskedLanguageModelingLoss } from "./objectives/masked-language-modeling.ts";
import {
  type Alignment,
  align,
  alignmentMasks,
  signedMean,
  splitModalities,
  standardizeTokens,
} from "./objectives/word-patch-alignment.ts";
import type { PatchSelection } from "./patch-selection.ts";

/** A batch of pairs; T, H and W are those of `ViltInput`. */
export interface PretrainingBatch {
  /** [B, T], without masked words. */
  readonly ids: Int32Array;
  readonly textMask: Int32Array;
  /** [B, T], with masked words. */
  readonly maskedIds: Int32Array;
  /** [B, T], the words to predict, −100 elsewhere. */
  readonly maskedLabels: Int32Array;
  /** [B, C, H, W], the image of each text. */
  readonly pixelValues: Tensor;
  readonly pixelMask?: ArrayLike<number>;
  /** [B, C, H', W'], the image of each text or, where the label is 0, another. */
  readonly matchingPixelValues: Tensor;
  readonly matchingPixelMask?: ArrayLike<number>;
  /** [B], 1 = the image belongs to the text. */
  readonly matchingLabels: Int32Array;
}

export interface PretrainingOptions {
  readonly rng?: Rng;
  /** Where to align words and patches; none leaves the objective out. */
  readonly wordPatchAlignment: readonly WordPatchAlignmentConfig[];
  /** Patches of the two passes, instead of choosing them. */
  readonly selections?: { readonly masked: PatchSelection; readonly matching: PatchSelection };
}

export interface AlignmentLoss extends Alignment {
  readonly config: WordPatchAlignmentConfig;
  /** Weight · (Σ D of matching pairs − Σ D of mismatched pairs) / B, []. */
  readonly loss: Tensor;
}

/** Everything a step computed; `total` is what to differentiate. */
export interface PretrainingLosses {
  /** Sum of the losses below, []. */
  readonly total: Tensor;
  readonly maskedLanguageModeling: MaskedLanguageModelingLoss & { readonly encoding: ViltEncoding };
  readonly imageTextMatching: {
    readonly loss: Tensor;
    /** [B, 2]. */
    readonly logits: Tensor;
    /** [B, d]. */
    readonly pooled: Tensor;
    readonly encoding: ViltEncoding;
  };
  readonly wordPatchAlignment: readonly AlignmentLoss[];
}

/** ViLT with the heads of its pre-training: masked words, and whether image and text belong together. */
export class ViltForPretraining extends Module {
  readonly backbone: Vilt;
  readonly maskedLanguageModelingHead: MaskedLanguageModelingHead;
  readonly imageTextMatchingHead: ImageTextMatchingHead;

  constructor(
    readonly config: ViltConfig,
    layerOptions: LayerOptions,
  ) {
    super();
    const options = { initializer: config.initializer, ...layerOptions };
    this.backbone = new Vilt(config, options);
    const { wordEmbedding } = this.backbone.textEmbedding;
    const tied = config.tieWordEmbeddings ? wordEmbedding.weight : undefined;
    this.maskedLanguageModelingHead = new MaskedLanguageModelingHead(config, options, tied);
    this.imageTextMatchingHead = new ImageTextMatchingHead(config.hiddenSize, options);
  }

  /**
   * The losses of one step, from two passes as in the original: masked text with its own image for masked language
   * modelling, then plain text with matching and mismatched images for image–text matching and word–patch alignment.
   * Nothing waits for the device.
   */
  losses(batch: PretrainingBatch, { rng, wordPatchAlignment, selections }: PretrainingOptions): PretrainingLosses {
    const { ids, textMask, maskedIds, matchingLabels } = batch;
    const masked = this.backbone.encode(
      { ids: maskedIds, textMask, pixelValues: batch.pixelValues, pixelMask: batch.pixelMask },
      { rng, selection: selections?.masked },
    );
    const words = maskedLanguageModelingLoss(masked.hidden, batch.maskedLabels, this.maskedLanguageModelingHead);

    const matching = this.backbone.encode(
      { ids, textMask, pixelValues: batch.matchingPixelValues, pixelMask: batch.matchingPixelMask },
      { rng, selection: selections?.matching },
    );
    const pooled = this.backbone.pooler.forward(matching.hidden);
    const pairs = imageTextMatchingLoss(pooled, matchingLabels, this.imageTextMatchingHead);
    const alignments = alignmentLosses(matching, textMask, matchingLabels, wordPatchAlignment);
    return {
      total: [pairs, ...alignments].reduce((total, { loss }) => add(total, loss), words.loss),
      maskedLanguageModeling: { ...words, encoding: masked },
      imageTextMatching: { ...pairs, pooled, encoding: matching },
      wordPatchAlignment: alignments,
    };
  }
}

function alignmentLosses(
  encoding: ViltEncoding,
  textMask: Int32Array,
  labels: Int32Array,
  configs: readonly WordPatchAlignmentConfig[],
): AlignmentLoss[] {
  if (configs.length === 0) return [];
  const masks = alignmentMasksOf(encoding, textMask);
  return configs.map((config) => {
    const alignment = alignLayer(encoding, masks, config);
    return { ...alignment, config, loss: mul(signedMean(alignment.distances, labels), config.weight) };
  });
}

function alignmentMasksOf({ selection, hidden }: ViltEncoding, textMask: Int32Array) {
  const [B, { device }] = [hidden.shape[0]!, hidden];
  const { words, patches } = alignmentMasks(textMask, selection.mask, B);
  const upload = (mask: Int32Array) => fromArray(mask, [B, mask.length / B], { device });
  return { words: upload(words), patches: upload(patches) };
}

function alignLayer(
  { embedding, hidden, textLength }: ViltEncoding,
  masks: ReturnType<typeof alignmentMasksOf>,
  config: Omit<WordPatchAlignmentConfig, "weight">,
): Alignment {
  const joint = config.layer === "final" ? hidden : standardizeTokens(embedding);
  const { text, image } = splitModalities(joint, textLength);
  return align(text, image, masks, config);
}

/** The transport plan of encoded pairs: what an alignment picture shows. */
export function alignmentOf(
  encoding: ViltEncoding,
  textMask: Int32Array,
  config: Omit<WordPatchAlignmentConfig, "weight">,
): Alignment {
  return alignLayer(encoding, alignmentMasksOf(encoding, textMask), config);
}
