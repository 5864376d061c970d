import { reshape, transpose } from "../../../autograd/ops/layout.ts";
import type { HostArray } from "../../../nn/module.ts";
import type { Tensor } from "../../../tensor/tensor.ts";
import { Vilt } from "../../../vilt/model.ts";
import { patchMaskOf, pixelMaskFromValues } from "../../../vilt/patch-mask.ts";
import { patchCoordinates } from "../../../vilt/patch-selection.ts";
import { loadPublishedWeights } from "../../../vilt/weights/weights.ts";
import type { Claims } from "../comparison.ts";
import type { GoldenCase, UnderTest } from "../golden-case.ts";
import { claimAll, configOf, recordedSelection, weightsOf } from "./golden-model.ts";

/** One forward pass with every intermediate. */
export function verifyForward(golden: GoldenCase, underTest: UnderTest): Claims {
  const config = configOf(golden);
  const model = new Vilt(config, { rng: null, ...underTest });
  loadPublishedWeights(model, weightsOf(golden), golden.name);
  const pixels = golden.entry("in/image");
  const [B, , height, width] = pixels.shape as [number, number, number, number];
  const pixelMask = pixelMaskFromValues(pixels.data, B, config.numChannels);
  const patches = patchMaskOf(pixelMask, { batchSize: B, height, width, patchSize: config.patchSize }, true);
  const selection = recordedSelection(golden, "sel", pixels, config);

  const pixelValues = golden.tensor("in/image", underTest);
  const [ids, textMask] = [golden.integers("in/text_ids"), golden.integers("in/text_masks")];
  const out = model.forward({ ids, textMask, pixelValues }, { selection, trace: true });

  const host = (data: ArrayLike<number>, ...shape: number[]): HostArray => ({ shape, data });
  const asChannels = (cells: Tensor) => reshape(transpose(cells), [B, config.hiddenSize, ...selection.grid]);
  const values = new Map<string, Tensor | HostArray>([
    ["sel/patch_index", host(patchCoordinates(selection), B, selection.length, 2)],
    ["sel/patch_mask", host(selection.mask, B, selection.length)],
    ["mid/grid_mask", host(patches.valid, B, ...patches.grid)],
    ["mid/valid_hw", host(patches.extents, B, 2)],
    ["mid/patch_conv", asChannels(model.patchEmbedding.project(pixelValues))],
    ["mid/pos_embed_grid", asChannels(model.patchEmbedding.positionsOfGrid(selection))],
    ["mid/image_embeddings", model.patchEmbedding.forward(pixelValues, selection)],
    ["mid/text_embeddings", model.textEmbedding.forward(golden.tensor("in/text_ids", underTest))],
  ]);
  const outputs = new Map<string, Tensor | HostArray>([
    ["co_embeds", out.embedding],
    ["co_masks", host(out.mask, B, out.mask.length / B)],
    ...out.attention.map((weights, i) => [`attn.${i}`, weights] as const),
    ...out.layers.map((layer, i) => [`block.${i}`, layer] as const),
    ["norm", out.hidden],
    ["cls_feats", out.pooled],
  ]);
  return {
    claims: [...claimAll(golden, underTest, [""], values), ...claimAll(golden, underTest, ["out/", "out64/"], outputs)],
    inputs: ["sel/flat_index"],
  };
}
