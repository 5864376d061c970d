import { Conv2d } from "../../src/nn/conv2d.ts";
import { Dropout } from "../../src/nn/dropout.ts";
import { GroupNorm } from "../../src/nn/group-norm.ts";
import { Linear } from "../../src/nn/linear.ts";
import { Module } from "../../src/nn/module.ts";
import { MultiHeadSelfAttention } from "../../src/nn/multi-head-self-attention.ts";
import { summary } from "../../src/nn/summary.ts";
import { getPreset, parseViltConfig } from "../../src/vilt/config.ts";
import { MaskedPatchPredictionHead } from "../../src/vilt/heads/masked-patch-prediction.ts";
import { parseHuggingfaceConfig } from "../../src/vilt/huggingface.ts";
import { ViltForImagePairs } from "../../src/vilt/image-pair-classification.ts";
import { Vilt } from "../../src/vilt/model.ts";
import { maskedPatchPredictionLoss } from "../../src/vilt/objectives/masked-patch-prediction.ts";
import { fullPatchMask, patchMaskOf } from "../../src/vilt/patch-mask.ts";
import { givenSelection } from "../../src/vilt/patch-selection.ts";
import { maskedPatchPass, ViltForPretraining } from "../../src/vilt/pretraining.ts";
import { loadPublishedWeights } from "../../src/vilt/weights/weights.ts";
import { f32, type Row } from "./row.ts";

const options = { rng: null };
const { model: config } = getPreset("toy");
const vilt = new Vilt(config, options);
const [B, T] = [2, 3];
const texts = { ids: new Int32Array(B * T), textMask: new Int32Array(B * T).fill(1) };
const pixelValues = f32(B, 3, 16, 16);
const extent = { batchSize: 1, height: 4, width: 4, patchSize: 2 };
const pretraining = new ViltForPretraining(config, options);
const lossesOf = (...maskedLabels: number[]) =>
  pretraining.losses(
    {
      ...{ ...texts, maskedIds: texts.ids, maskedLabels: Int32Array.from(maskedLabels), pixelValues },
      ...{ matchingPixelValues: pixelValues, matchingLabels: Int32Array.of(1, 0) },
    },
    { wordPatchAlignment: [] },
  );

class Empty extends Module {}

/** Layers, ViLT and its heads. */
export const models: readonly Row[] = [
  [
    () => new MultiHeadSelfAttention(10, 3, options),
    "MultiHeadSelfAttention: hiddenSize 10 is not a multiple of numHeads 3",
  ],
  [
    () => new MultiHeadSelfAttention(12, 3, options).forward(f32(2, 5, 10)),
    "MultiHeadSelfAttention: the shape [B, N, 12] is needed, not [2, 5, 10]; axis 2 is 10, not 12",
  ],
  [
    () => new Linear(3, 4, options).forward(f32(2, 4)),
    "linear: the last axis of x is not the weight's second: [2, 4] and [4, 3]",
  ],
  [() => new Conv2d(3, 4, 3, { ...options, groups: 2 }), "Conv2d: 3 → 4 channels do not divide into 2 groups"],
  [() => new GroupNorm(2, 3, 1e-6), "GroupNorm: 3 channels do not divide into 2 groups"],
  [() => new Dropout(-1).forward(f32(2)), "dropout: a probability of -1 is not in [0, 1)"],
  [
    () => new Linear(1, 2, options).loadParameters(new Map([["wight", { shape: [2, 1], data: [1, 2] }]])),
    "loadParameters: missing weight [2, 1]; missing bias [2]; unexpected wight [2, 1]",
  ],
  [
    () => summary(new Empty()),
    "summary: Empty has no forward(); pass a function that runs it, with inputs made on the meta device",
  ],
  [
    () => parseViltConfig({ ...config, numHeads: 5, dropout: 2 }),
    "model configuration: dropout: Too big: expected number to be <1; numHeads: must divide hiddenSize",
  ],
  [() => getPreset("huge"), 'no preset "huge"; there are toy, tiny, small, b32'],
  [() => parseHuggingfaceConfig({ model_type: "bert" }), 'config.json: model_type: Invalid input: expected "vilt"'],
  [
    () => parseHuggingfaceConfig({ model_type: "vilt", patch_size: [32, 16] }),
    "config.json: patches of 32×16 are not square",
  ],
  [
    () => new ViltForImagePairs(vilt, options, { numImages: 2, numClasses: 2 }),
    "ViltForImagePairs: 2 images need 3 modality types, not 2",
  ],
  [
    () => vilt.forward({ ...texts, textMask: new Int32Array(4), pixelValues }),
    "texts: 6 ids and 4 mask values for 2 images; both are [B, T]",
  ],
  [
    () => vilt.forward({ ...texts, ids: Int32Array.of(0, 0, 0, 0, 200, 0), pixelValues }),
    "text 1: id 200 at token 1 is not one of 200 words",
  ],
  [
    () => vilt.forward({ ids: new Int32Array(2 * 17), textMask: new Int32Array(2 * 17), pixelValues }),
    "text of 17 tokens: there are positions for 16; truncate it",
  ],
  [
    () => vilt.forward({ ...texts, pixelValues: f32(B, 3, 16) }),
    "Vilt: the shape [B, C, H, W] is needed, not [2, 3, 16]; 4 axes are needed, there are 3",
  ],
  [
    () => vilt.forward({ ...texts, pixelValues: f32(B, 1, 16, 16) }),
    "PatchEmbedding: the shape [B, 3, H, W] is needed, not [2, 1, 16, 16]; axis 1 is 1, not 3",
  ],
  [
    () => vilt.forward({ ...texts, pixelValues: f32(B, 3, 4, 16) }),
    "image of 4×16 pixels: smaller than one patch of 8×8",
  ],
  [
    () => vilt.textEmbedding.forward(f32(3)),
    "TextEmbedding: the shape [B, T] is needed, not [3]; 2 axes are needed, there is 1",
  ],
  [
    () => vilt.forward({ ...texts, pixelValues }, { hiddenPatches: new Uint8Array(8) }),
    "PatchEmbedding: patches are hidden, but maskedPatches is not set",
  ],
  [() => patchMaskOf([1, 1], extent), "pixel mask: 2 values do not fill 1 images of 4×4 pixels"],
  [
    () => patchMaskOf(new Array(16).fill(0), extent),
    "pixel mask of sample 0: no real patch in its first row or column",
  ],
  [
    () => patchMaskOf([1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 1, 1, 0, 0], extent),
    "pixel mask of sample 0: the real patches are not a rectangle in the top-left corner",
  ],
  [
    () => givenSelection(fullPatchMask({ ...extent, batchSize: 2 }), Int32Array.of(0)),
    "patch selection: 1 patches of 2 images",
  ],
  [() => givenSelection(fullPatchMask(extent), Int32Array.of(4)), "patch selection: no cell 4 in a grid of 2×2"],
  [
    () => vilt.encode({ ...texts, pixelValues }, { words: Int32Array.of(0, 6) }),
    "words: there is no token 6 in 2 texts of 3 tokens",
  ],
  [() => lossesOf(-100, 1, -100, 2, 3), "masked labels: 5 of them for 6 ids"],
  [() => lossesOf(-100, -100, 1, -100, 200, 1), "masked labels: 200 at token 1 of text 1, of 200 words"],
  [
    () => maskedPatchPredictionLoss(f32(1, 3, 64), new Int32Array(5), new MaskedPatchPredictionHead(config, options)),
    "masked patches: 5 labels do not fit 1 images of 3 tokens in 3 channels",
  ],
  [
    () =>
      maskedPatchPass(
        { backbone: vilt, maskedPatchPredictionHead: null },
        { ...texts, pixelValues, maskedPatches: { selected: [], hidden: [], brightness: new Int32Array() } },
      ),
    "masked patch prediction: patches are masked, but maskedPatches is not set",
  ],
  [
    () => loadPublishedWeights(vilt, new Map()),
    /^weights: missing text_embeddings.*; missing pooler.dense.bias \[64\]$/,
  ],
];
