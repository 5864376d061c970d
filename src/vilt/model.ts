import { concat, select } from "../autograd/ops/layout.ts";
import { relocateTokens } from "../nn/gather-tokens.ts";
import type { LayerOptions } from "../nn/init.ts";
import { Module } from "../nn/module.ts";
import { fromArray } from "../tensor/create.ts";
import { DataError } from "../tensor/errors.ts";
import { expectShape } from "../tensor/expect-shape.ts";
import type { Rng } from "../tensor/rng.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { ViltConfig } from "./config.ts";
import { Encoder, type EncoderOutput } from "./encoder.ts";
import type { Grid } from "./interpolation.ts";
import { type Modality, ModalityTypeEmbedding, modality } from "./modality-type-embedding.ts";
import { splitModalities } from "./objectives/word-patch-alignment.ts";
import { PatchEmbedding } from "./patch-embedding.ts";
import { fullPatchMask, patchMaskOf } from "./patch-mask.ts";
import { type PatchSelection, patchCoordinates, selectPatches } from "./patch-selection.ts";
import { Pooler } from "./pooler.ts";
import { TextEmbedding } from "./text-embedding.ts";

/**
 * Texts and images of a batch. What decides shapes and indices is on the host, so that a forward pass never waits for
 * the device; B comes from the pixels, T = ids / B.
 */
export interface ViltInput {
  /** [B, T], row-major. */
  readonly ids: Int32Array;
  /** [B, T], 1 = token and 0 = padding. */
  readonly textMask: Int32Array;
  /** [B, C, H, W], normalised, on the device of the model. */
  readonly pixelValues: Tensor;
  /** [B, H, W], 1 = real; every pixel is when absent. */
  readonly pixelMask?: ArrayLike<number>;
}

export interface ForwardOptions {
  /** Draws dropout and, above the limit, patches. Without it: evaluation. */
  readonly rng?: Rng;
  /** Use these patches instead of choosing them from the pixel mask. */
  readonly selection?: PatchSelection;
  /** [B, gh · gw], 1 = hide this patch: masked patch prediction. */
  readonly hiddenPatches?: ArrayLike<number>;
  /** Which image of a pair this is; default: the first or only one. */
  readonly imageType?: Modality;
  /** Also answer every layer's output and attention weights. */
  readonly trace?: boolean;
}

export interface EncodeOptions extends ForwardOptions {
  /**
   * [n], places in `ids` of the tokens that somebody reads; default: all, patches too. After the last attention each
   * token goes on by itself, so that the last layer computes nothing else for the others.
   */
  readonly words?: Int32Array;
}

/** The joint sequence before and after the transformer; N = T + 1 + P. */
export interface ViltEncoding extends EncoderOutput {
  /** The transformer's input, [B, N, d]: T text tokens, the image's class token, P patches. */
  readonly embedding: Tensor;
  /** [B, N], 1 = token and 0 = padding. */
  readonly mask: Int32Array;
  readonly textLength: number;
  readonly selection: PatchSelection;
}

export interface ViltOutput extends ViltEncoding {
  /** Text part of `hidden`, [B, T, d]. */
  readonly text: Tensor;
  /** Image part of `hidden`, [B, 1 + P, d]; row 0 is the class token. */
  readonly image: Tensor;
  /** tanh-projected text [CLS], [B, d]. */
  readonly pooled: Tensor;
  /** Row and column of each patch, [B, P, 2]. */
  readonly patchIndex: Int32Array;
  /** Rows and columns of the batch's grid of patches. */
  readonly grid: Grid;
}

/** Places in `ids` of the [CLS] of each text. */
export function classTokens(batchSize: number, textLength: number): Int32Array {
  return Int32Array.from({ length: batchSize }, (_, b) => b * textLength);
}

/** T, after checking that texts fit the images and that every id is a word. */
function checkTexts({ ids, textMask, pixelValues }: ViltInput, vocabularySize: number): number {
  const B = pixelValues.shape[0]!;
  const T = ids.length / B;
  if (!Number.isInteger(T) || T === 0 || ids.length !== textMask.length)
    throw new DataError(`texts: ${ids.length} ids and ${textMask.length} mask values for ${B} images; both are [B, T]`);
  const k = ids.findIndex((id) => id < 0 || id >= vocabularySize);
  if (k >= 0)
    throw new DataError(
      `text ${Math.floor(k / T)}: id ${ids[k]} at token ${k % T} is not one of ${vocabularySize} words`,
    );
  return T;
}

/** [text mask, 1, patch mask] of each sample, [B, N]. */
function jointMask(textMask: Int32Array, { mask, length: P }: PatchSelection, T: number): Int32Array {
  const N = T + 1 + P;
  const joint = new Int32Array((textMask.length / T) * N).fill(1);
  for (let b = 0; b * T < textMask.length; b++) {
    joint.set(textMask.subarray(b * T, (b + 1) * T), b * N);
    joint.set(mask.subarray(b * P, (b + 1) * P), b * N + T + 1);
  }
  return joint;
}

/** Places of words in the joint sequences, [B, N]. */
function jointPlaces(words: Int32Array, [B, T]: readonly [number, number], N: number): Int32Array {
  const outside = words.find((k) => k < 0 || k >= B * T);
  if (outside !== undefined) throw new DataError(`words: there is no token ${outside} in ${B} texts of ${T} tokens`);
  return relocateTokens(words, T, N);
}

/**
 * ViLT (Kim, Son and Kim 2021): words and patches, embedded by a table and one linear map, share a transformer.
 *
 *   z⁰ = [text + type_text; image + type_image],   z = encoder(z⁰),   p = tanh(W z_[CLS] + b)       (eq. 1 to 5)
 */
export class Vilt extends Module {
  readonly textEmbedding: TextEmbedding;
  readonly patchEmbedding: PatchEmbedding;
  readonly modalityTypeEmbedding: ModalityTypeEmbedding;
  readonly encoder: Encoder;
  readonly pooler: Pooler;

  constructor(
    readonly config: ViltConfig,
    layerOptions: LayerOptions,
  ) {
    super();
    const options = { initializer: config.initializer, ...layerOptions };
    this.textEmbedding = new TextEmbedding(config, options);
    this.patchEmbedding = new PatchEmbedding(config, options);
    this.modalityTypeEmbedding = new ModalityTypeEmbedding(config.modalityTypes, config.hiddenSize, options);
    this.encoder = new Encoder(config, options);
    this.pooler = new Pooler(config.hiddenSize, options);
  }

  /** @throws {DataError} for texts that are too long or hold unknown ids, and for images without a patch */
  forward(input: ViltInput, options: ForwardOptions = {}): ViltOutput {
    const encoding = this.encode(input, options);
    const { hidden, textLength, selection } = encoding;
    return {
      ...encoding,
      ...splitModalities(hidden, textLength),
      pooled: this.pooler.forward(select(hidden, 1, 0)),
      patchIndex: patchCoordinates(selection),
      grid: selection.grid,
    };
  }

  /** What `forward` answers as `pooled`, [B, d], without what becomes of other tokens in the end. */
  pool(input: ViltInput, options: ForwardOptions = {}): Tensor {
    const B = input.pixelValues.shape[0]!;
    const words = classTokens(B, input.ids.length / B);
    return this.pooler.forward(this.encode(input, { ...options, words }).hidden);
  }

  /** `forward` without what follows the transformer. */
  encode(input: ViltInput, options: EncodeOptions = {}): ViltEncoding {
    const { rng, imageType = modality.image, trace, words } = options;
    const { ids, textMask, pixelValues } = input;
    const textLength = checkTexts(input, this.config.vocabularySize);
    const selection = options.selection ?? this.selectPatches(input, rng);
    const { device } = pixelValues;
    const [B, T] = [pixelValues.shape[0]!, textLength];

    const text = this.textEmbedding.forward(fromArray(ids, [B, T], { device }), rng); // [B, T, d]
    const image = this.patchEmbedding.forward(pixelValues, selection, rng, options.hiddenPatches); // [B, 1 + P, d]
    const embedding = this.join(text, image, imageType);

    const mask = jointMask(textMask, selection, T);
    const maskTensor = mask.includes(0) ? fromArray(mask, [B, mask.length / B], { device }) : undefined;
    const tokens = words && jointPlaces(words, [B, T], mask.length / B);
    const encoded = this.encoder.forward(embedding, { mask: maskTensor, rng, tokens, trace });
    return { ...encoded, embedding, mask, textLength, selection };
  }

  /** Which patches of these images enter the transformer. */
  selectPatches({ pixelValues, pixelMask }: Omit<ViltInput, "ids" | "textMask">, rng?: Rng): PatchSelection {
    const [batchSize, , height, width] = expectShape(pixelValues, "B C H W", "Vilt");
    const extent = { batchSize, height, width, patchSize: this.config.patchSize };
    const patches = pixelMask ? patchMaskOf(pixelMask, extent) : fullPatchMask(extent);
    return selectPatches(patches, { maxLength: this.config.maxImageLength, rng });
  }

  /** Text first, then the image, each with its modality type. */
  private join(text: Tensor, image: Tensor, imageType: Modality): Tensor {
    const types = this.modalityTypeEmbedding;
    return concat([types.forward(text, modality.text), types.forward(image, imageType)], 1);
  }
}
