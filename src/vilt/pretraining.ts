import { add, mul } from "../autograd/ops/arithmetic.ts";
import { select } from "../autograd/ops/layout.ts";
import type { LayerOptions } from "../nn/init.ts";
import { Module } from "../nn/module.ts";
import { fromArray } from "../tensor/create.ts";
import { ConfigError, DataError } from "../tensor/errors.ts";
import type { Rng } from "../tensor/rng.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { ViltConfig, WordPatchAlignmentConfig } from "./config.ts";
import { ImageTextMatchingHead } from "./heads/image-text-matching.ts";
import { MaskedLanguageModelingHead } from "./heads/masked-language-modeling.ts";
import { MaskedPatchPredictionHead } from "./heads/masked-patch-prediction.ts";
import { classTokens, type ForwardOptions, Vilt, type ViltEncoding } from "./model.ts";
import { imageTextMatchingLoss } from "./objectives/image-text-matching.ts";
import {
  labelledWords,
  type MaskedLanguageModelingLoss,
  maskedLanguageModelingLoss,
} from "./objectives/masked-language-modeling.ts";
import {
  type MaskedPatches,
  maskedPatchLabels,
  maskedPatchPredictionLoss,
} from "./objectives/masked-patch-prediction.ts";
import {
  type Alignment,
  align,
  alignmentMasks,
  signedMean,
  splitModalities,
  standardizeTokens,
  type TransportSettings,
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
  /** Patches of `pixelValues` to predict, with their brightness [B, gh · gw, C]; a third pass where they are given. */
  readonly maskedPatches?: MaskedPatches & { readonly brightness: Int32Array };
}

export interface PretrainingOptions {
  readonly rng?: Rng;
  /** Where to align words and patches; none leaves the objective out. */
  readonly wordPatchAlignment: readonly WordPatchAlignmentConfig[];
  /** Patches of the two passes, instead of choosing them. */
  readonly selections?: Readonly<Partial<Record<"masked" | "matching" | "maskedPatches", PatchSelection>>>;
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
  readonly maskedLanguageModeling: MaskedLanguageModelingLoss;
  readonly imageTextMatching: {
    readonly loss: Tensor;
    /** [B, 2]. */
    readonly logits: Tensor;
    /** [B, d]. */
    readonly pooled: Tensor;
    /** `hidden` has all tokens only where they are aligned at the final layer; else those of [CLS], [B, d]. */
    readonly encoding: ViltEncoding;
  };
  readonly wordPatchAlignment: readonly AlignmentLoss[];
  /** Where patches were masked. */
  readonly maskedPatchPrediction?: {
    readonly loss: Tensor;
    readonly labels: Int32Array;
    readonly encoding: ViltEncoding;
  };
}

/** ViLT with the heads of its pre-training: masked words, and whether image and text belong together. */
export class ViltForPretraining extends Module {
  readonly backbone: Vilt;
  readonly maskedLanguageModelingHead: MaskedLanguageModelingHead;
  readonly imageTextMatchingHead: ImageTextMatchingHead;
  /** Null where the configuration has no masked patches. */
  readonly maskedPatchPredictionHead: MaskedPatchPredictionHead | null;

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
    this.maskedPatchPredictionHead = config.maskedPatches ? new MaskedPatchPredictionHead(config, options) : null;
  }

  /**
   * The losses of one step, from two passes as in the original: masked text with its own image for masked language
   * modelling, then plain text with matching and mismatched images for image–text matching and word–patch alignment.
   * The last layer goes on with the tokens alone that a loss reads: same values, same gradients. Nothing waits for the
   * device.
   */
  losses(batch: PretrainingBatch, { rng, wordPatchAlignment, selections }: PretrainingOptions): PretrainingLosses {
    const { ids, textMask, maskedIds, maskedLabels, matchingLabels } = batch;
    if (maskedLabels.length !== ids.length)
      throw new DataError(`masked labels: ${maskedLabels.length} of them for ${ids.length} ids`);
    const B = batch.pixelValues.shape[0]!;
    const T = ids.length / B;
    const { places, labels } = labelledWords(maskedLabels, T, this.config.vocabularySize);
    const masked = this.backbone.encode(
      { ids: maskedIds, textMask, pixelValues: batch.pixelValues, pixelMask: batch.pixelMask },
      { rng, selection: selections?.masked, words: places },
    );
    const words = maskedLanguageModelingLoss(masked.hidden, labels, this.maskedLanguageModelingHead);

    const needsAll = wordPatchAlignment.some(({ layer }) => layer === "final");
    const matching = this.backbone.encode(
      { ids, textMask, pixelValues: batch.matchingPixelValues, pixelMask: batch.matchingPixelMask },
      { rng, selection: selections?.matching, ...(!needsAll && { words: classTokens(B, T) }) },
    );
    const pooled = this.backbone.pooler.forward(needsAll ? select(matching.hidden, 1, 0) : matching.hidden);
    const pairs = imageTextMatchingLoss(pooled, matchingLabels, this.imageTextMatchingHead);
    const alignments = alignmentLosses(matching, textMask, matchingLabels, wordPatchAlignment);
    const patches = maskedPatchPass(this, batch, { rng, selection: selections?.maskedPatches });
    return {
      total: [pairs, ...alignments, ...(patches ? [patches] : [])].reduce(
        (total, { loss }) => add(total, loss),
        words.loss,
      ),
      maskedLanguageModeling: words,
      imageTextMatching: { ...pairs, pooled, encoding: matching },
      wordPatchAlignment: alignments,
      ...(patches && { maskedPatchPrediction: patches }),
    };
  }
}

/** Masked patch prediction: some patches hidden, the text plain, the image that of the text (specification §4.5). */
export function maskedPatchPass(
  { backbone, maskedPatchPredictionHead: head }: Pick<ViltForPretraining, "backbone" | "maskedPatchPredictionHead">,
  { ids, textMask, pixelValues, pixelMask, maskedPatches }: MaskedPatchBatch,
  options: Pick<ForwardOptions, "rng" | "selection"> = {},
): PretrainingLosses["maskedPatchPrediction"] {
  if (!maskedPatches) return undefined;
  if (!head) throw new ConfigError("masked patch prediction: patches are masked, but maskedPatches is not set");
  const { selected, hidden, brightness } = maskedPatches;
  const hiddenPatches = Uint8Array.from(hidden, (drawn, cell) => (drawn && selected[cell] ? 1 : 0));
  const encoding = backbone.encode({ ids, textMask, pixelValues, pixelMask }, { ...options, hiddenPatches });
  const { image } = splitModalities(encoding.hidden, encoding.textLength);
  const labels = maskedPatchLabels(brightness, maskedPatches, encoding.selection);
  return { loss: maskedPatchPredictionLoss(image, labels, head), labels, encoding };
}

type MaskedPatchBatch = Pick<PretrainingBatch, "ids" | "textMask" | "pixelValues" | "pixelMask" | "maskedPatches">;

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
  config: AlignmentSettings,
): Alignment {
  const joint = config.layer === "final" ? hidden : standardizeTokens(embedding);
  const { text, image } = splitModalities(joint, textLength);
  return align(text, image, masks, config);
}

/** Where words and patches are compared, and how the plan is found. */
export type AlignmentSettings = Pick<WordPatchAlignmentConfig, "layer"> & TransportSettings;

/** The transport plan of encoded pairs: what an alignment picture shows. */
export function alignmentOf(encoding: ViltEncoding, textMask: Int32Array, config: AlignmentSettings): Alignment {
  return alignLayer(encoding, alignmentMasksOf(encoding, textMask), config);
}
