import { crossEntropy } from "../../autograd/functions/cross-entropy.ts";
import { reshape } from "../../autograd/ops/layout.ts";
import { gatherTokens } from "../../nn/gather-tokens.ts";
import { fromArray, zeros } from "../../tensor/create.ts";
import { DataError } from "../../tensor/errors.ts";
import { expectShape } from "../../tensor/expect-shape.ts";
import type { Rng } from "../../tensor/rng.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { BINS, type MaskedPatchPredictionHead } from "../heads/masked-patch-prediction.ts";
import type { PatchSelection } from "../patch-selection.ts";
import { IGNORED } from "./masked-language-modeling.ts";

/** Which cells of the grid of patches are to be predicted, and which of these are hidden from the model. */
export interface MaskedPatches {
  /** [B, gh · gw], 1 = predict. */
  readonly selected: ArrayLike<number>;
  /** [B, gh · gw], 1 = hidden, if it is selected too. */
  readonly hidden: ArrayLike<number>;
}

/** Each patch is selected with probability `probability`, and four in five of these are hidden (specification §4.5). */
export function drawMaskedPatches(cells: number, rng: Rng, probability = 0.15): MaskedPatches {
  const draw = (p: number) => Uint8Array.from({ length: cells }, () => (rng.bernoulli(p) ? 1 : 0));
  return { selected: draw(probability), hidden: draw(0.8) };
}

/**
 * Mean brightness of every patch and channel, as a class 0 … 255.
 *
 * @param pixels [B, C, H, W] in [−1, 1]
 * @returns [B, gh · gw, C]; a strip that fills no patch is dropped
 */
export function patchBrightness(pixels: ArrayLike<number>, shape: readonly number[], patchSize: number): Int32Array {
  const [B, C, H, W] = shape as [number, number, number, number];
  const [rows, columns] = [Math.floor(H / patchSize), Math.floor(W / patchSize)];
  const labels = new Int32Array(B * rows * columns * C);
  for (let k = 0; k < labels.length; k++) {
    const [c, cell, b] = [k % C, Math.floor(k / C) % (rows * columns), Math.floor(k / (C * rows * columns))];
    const [top, left] = [Math.floor(cell / columns) * patchSize, (cell % columns) * patchSize];
    let sum = 0;
    for (let y = top; y < top + patchSize; y++)
      for (let x = left; x < left + patchSize; x++) sum += pixels[((b * C + c) * H + y) * W + x]! * 0.5 + 0.5;
    labels[k] = Math.trunc((sum / patchSize ** 2) * (BINS - 1));
  }
  return labels;
}

/** The labels of the tokens that enter the transformer, [B, 1 + P, C]: −100 for the class token, padding, unselected. */
export function maskedPatchLabels(
  brightness: Int32Array,
  { selected }: MaskedPatches,
  { grid, index, mask, length }: PatchSelection,
): Int32Array {
  const cells = grid[0] * grid[1];
  const B = index.length / length;
  const C = brightness.length / (B * cells);
  const labels = new Int32Array(B * (1 + length) * C).fill(IGNORED);
  for (const [k, cell] of index.entries()) {
    const b = Math.floor(k / length);
    const at = b * cells + cell;
    if (!mask[k] || !selected[at]) continue;
    labels.set(brightness.subarray(at * C, (at + 1) * C), (b * (1 + length) + 1 + (k % length)) * C);
  }
  return labels;
}

/**
 * Cross-entropy of the brightness of the selected patches, over patches and channels; 0 when there is none. The head
 * runs on the selected patches alone.
 *
 * @param image [B, 1 + P, d], the image's part of the transformer's output
 * @param labels [B, 1 + P, C], negative where nothing is to be predicted
 */
export function maskedPatchPredictionLoss(image: Tensor, labels: Int32Array, head: MaskedPatchPredictionHead): Tensor {
  const [B, n] = expectShape(image, "B n d", "maskedPatchPredictionLoss");
  const C = head.numChannels;
  if (labels.length !== B * n * C)
    throw new DataError(
      `masked patches: ${labels.length} labels do not fit ${B} images of ${n} tokens in ${C} channels`,
    );
  const { device, dtype } = image;
  const rows = Int32Array.from({ length: B * n }, (_, row) => row).filter((row) => labels[row * C]! >= 0);
  if (rows.length === 0) return zeros([], { device, dtype });
  const logits = head.forward(gatherTokens(image, rows));
  const targets = Int32Array.from([...rows].flatMap((row) => [...labels.subarray(row * C, (row + 1) * C)]));
  return crossEntropy(reshape(logits, [rows.length * C, BINS]), fromArray(targets, [targets.length], { device }));
}
