import { backward } from "../../../autograd/grad.ts";
import { where } from "../../../autograd/ops/select.ts";
import type { HostArray } from "../../../nn/module.ts";
import { fromArray, zeros } from "../../../tensor/create.ts";
import type { Tensor } from "../../../tensor/tensor.ts";
import { alignmentMasks } from "../../../vilt/objectives/word-patch-alignment.ts";
import { type PretrainingLosses, ViltForPretraining } from "../../../vilt/pretraining.ts";
import { loadPublishedWeights } from "../../../vilt/weights/weights.ts";
import type { Claims } from "../comparison.ts";
import type { GoldenCase, UnderTest } from "../golden-case.ts";
import {
  claimAll,
  configOf,
  gradientsOf,
  matchingImages,
  recordedSelection,
  selectionFacts,
  weightsOf,
  wordPatchAlignment,
} from "./golden-model.ts";

const host = (data: ArrayLike<number>, ...shape: number[]): HostArray => ({ shape, data });

/** The three pre-training losses, what they are made of, and the gradient of their sum. */
export function verifyPretrainingLosses(golden: GoldenCase, underTest: UnderTest): Claims {
  const config = configOf(golden);
  const model = new ViltForPretraining(config, { rng: null, ...underTest });
  loadPublishedWeights(model, weightsOf(golden), golden.name);

  const textMask = golden.integers("in/text_masks");
  const matchingLabels = golden.integers("itm/labels");
  const matching = matchingImages(golden, matchingLabels);
  const selections = {
    masked: recordedSelection(golden, "mlm", golden.entry("in/image"), config),
    matching: recordedSelection(golden, "itm", matching, config),
  };
  const maskedIds = golden.integers("in/text_ids_mlm");
  const pixelValues = golden.tensor("in/image", underTest);
  const losses = model.losses(
    {
      ids: golden.integers("in/text_ids"),
      textMask,
      maskedIds,
      maskedLabels: golden.integers("in/text_labels_mlm"),
      pixelValues,
      matchingPixelValues: fromArray(matching.data, matching.shape, underTest),
      matchingLabels,
    },
    { wordPatchAlignment, selections },
  );
  const masked = model.backbone.forward({ ids: maskedIds, textMask, pixelValues }, { selection: selections.masked });
  const outputs = new Map([
    ["mlm/norm", masked.hidden],
    ["mlm/cls_feats", masked.pooled],
    ["mlm/logits", model.maskedLanguageModelingHead.forward(masked.text)],
    ...outputsOf(losses, textMask, underTest),
  ]);
  backward(losses.total, { retainGraph: true });

  const B = matchingLabels.length;
  const { words, patches } = alignmentMasks(textMask, selections.matching.mask, B);
  const inverted = (mask: Int32Array) =>
    host(
      mask.map((taking) => 1 - taking),
      B,
      mask.length / B,
    );
  const facts = new Map([
    ["wpa/txt_pad", inverted(words)],
    ["wpa/img_pad", inverted(patches)],
    ...selectionFacts("mlm", selections.masked),
    ...selectionFacts("itm", selections.matching),
  ]);
  return {
    claims: [
      ...claimAll(golden, underTest, [""], facts),
      ...claimAll(golden, underTest, ["out/", "out64/"], outputs),
      ...claimAll(golden, underTest, ["grad/", "grad64/"], gradientsOf(model), "grad"),
    ],
    inputs: ["mlm/flat_index", "itm/flat_index", "itm/labels"],
  };
}

/** What the losses have under `out/`, by the reference's names; of masked words they compute no more than they read. */
function outputsOf(losses: PretrainingLosses, textMask: Int32Array, { dtype, device }: UnderTest): Map<string, Tensor> {
  const { maskedLanguageModeling: masked, imageTextMatching: matching, wordPatchAlignment: alignments } = losses;
  const { cost, plan, distances, loss } = alignments[0]!;
  const B = matching.logits.shape[0]!;
  const masks = alignmentMasks(textMask, matching.encoding.selection.mask, B);
  const valid = Int32Array.from({ length: cost.size }, (_, k) => {
    const [, M, N] = cost.shape as [number, number, number];
    return masks.words[Math.floor(k / N)]! * masks.patches[Math.floor(k / (M * N)) * N + (k % N)]!;
  });
  return new Map([
    ["mlm/loss", masked.loss],
    ["itm/norm", matching.encoding.hidden],
    ["itm/cls_feats", matching.pooled],
    ["itm/logits", matching.logits],
    ["itm/loss", matching.loss],
    ["wpa/cost", where(fromArray(valid, cost.shape, { device }), cost, zeros([], { dtype, device }))],
    ["wpa/T", plan],
    ["wpa/distance", distances],
    ["wpa/loss", loss],
    ["total_loss", losses.total],
  ]);
}
