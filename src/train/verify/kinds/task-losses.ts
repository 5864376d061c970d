import { crossEntropy } from "../../../autograd/functions/cross-entropy.ts";
import { backward } from "../../../autograd/grad.ts";
import { reshape, select, slice } from "../../../autograd/ops/layout.ts";
import type { LayerOptions } from "../../../nn/init.ts";
import { type HostArray, Module } from "../../../nn/module.ts";
import { fromArray } from "../../../tensor/create.ts";
import type { Tensor } from "../../../tensor/tensor.ts";
import type { ViltConfig } from "../../../vilt/config.ts";
import { MaskedPatchPredictionHead } from "../../../vilt/heads/masked-patch-prediction.ts";
import { ViltForImagePairs } from "../../../vilt/image-pair-classification.ts";
import type { Modality } from "../../../vilt/modality-type-embedding.ts";
import { Vilt } from "../../../vilt/model.ts";
import { patchBrightness } from "../../../vilt/objectives/masked-patch-prediction.ts";
import { splitModalities } from "../../../vilt/objectives/word-patch-alignment.ts";
import type { PatchSelection } from "../../../vilt/patch-selection.ts";
import { maskedPatchPass } from "../../../vilt/pretraining.ts";
import { questionAnsweringLoss, ViltForQuestionAnswering } from "../../../vilt/question-answering.ts";
import { retrievalLoss, ViltForRetrieval } from "../../../vilt/retrieval.ts";
import { loadPublishedWeights } from "../../../vilt/weights/weights.ts";
import type { Claims } from "../comparison.ts";
import type { GoldenCase, UnderTest } from "../golden-case.ts";
import { claimAll, configOf, gradientsOf, recordedSelection, selectionFacts, weightsOf } from "./golden-model.ts";

type TaskModel = Module & { readonly config: ViltConfig };

/** What a task computed, by the reference's names. */
interface TaskRun {
  readonly model: TaskModel;
  readonly loss: Tensor;
  readonly outputs: ReadonlyMap<string, Tensor>;
  readonly selections: Readonly<Record<string, PatchSelection>>;
  readonly facts?: readonly [string, HostArray][];
  readonly inputs?: readonly string[];
}

/** Claims the outputs, the loss and the gradients. */
function claimsOf(golden: GoldenCase, underTest: UnderTest, run: TaskRun): Claims {
  const { model, loss, outputs, selections, facts = [], inputs = [] } = run;
  backward(loss, { retainGraph: true });
  const patches = Object.entries(selections).flatMap(([pass, selection]) => selectionFacts(pass, selection));
  return {
    claims: [
      ...claimAll(golden, underTest, [""], new Map([...patches, ...facts])),
      ...claimAll(golden, underTest, ["out/", "out64/"], new Map([...outputs, ["total_loss", loss]])),
      ...claimAll(golden, underTest, ["grad/", "grad64/"], gradientsOf(model), "grad"),
    ],
    inputs: [...Object.keys(selections).map((pass) => `${pass}/flat_index`), ...inputs],
  };
}

function load<M extends TaskModel>(golden: GoldenCase, model: M): M {
  loadPublishedWeights(model, weightsOf(golden), golden.name);
  return model;
}

const backboneOf = (golden: GoldenCase, underTest: UnderTest) =>
  new Vilt(configOf(golden), { rng: null, ...underTest });
const textsOf = (golden: GoldenCase) => ({
  ids: golden.integers("in/text_ids"),
  textMask: golden.integers("in/text_masks"),
});

/** A backbone with the head of masked patch prediction alone. */
class MaskedPatchModel extends Module {
  readonly maskedPatchPredictionHead: MaskedPatchPredictionHead;

  constructor(
    readonly backbone: Vilt,
    options: LayerOptions,
  ) {
    super();
    this.maskedPatchPredictionHead = new MaskedPatchPredictionHead(backbone.config, options);
  }

  get config() {
    return this.backbone.config;
  }
}

/** Masked patch prediction. */
export function verifyMaskedPatches(golden: GoldenCase, underTest: UnderTest): Claims {
  const model = load(golden, new MaskedPatchModel(backboneOf(golden, underTest), { rng: null, ...underTest }));
  const pixels = golden.entry("in/image");
  const selection = recordedSelection(golden, "mpp", pixels, model.config);
  const [selected, hidden] = [golden.entry("mpp/masked").data, golden.entry("mpp/replace_draw").data];
  const brightness = patchBrightness(pixels.data, pixels.shape, model.config.patchSize);
  const batch = { ...textsOf(golden), pixelValues: golden.tensor("in/image", underTest) };
  const { loss, labels, encoding } = maskedPatchPass(
    model,
    { ...batch, maskedPatches: { selected, hidden, brightness } },
    { selection },
  )!;
  const { image } = splitModalities(encoding.hidden, encoding.textLength);
  const outputs = new Map([
    ["mpp/norm", encoding.hidden],
    ["mpp/cls_feats", model.backbone.pooler.forward(select(encoding.hidden, 1, 0))],
    ["mpp/logits", model.maskedPatchPredictionHead.forward(image)],
    ["mpp/loss", loss],
  ]);
  const shape = [...image.shape.slice(0, 2), model.config.numChannels];
  return claimsOf(golden, underTest, {
    ...{ model, loss, outputs, selections: { mpp: selection } },
    ...{ facts: [["mpp/labels", { shape, data: labels }]], inputs: ["mpp/masked", "mpp/replace_draw"] },
  });
}

/** Visual question answering. */
export function verifyAnswering(golden: GoldenCase, underTest: UnderTest): Claims {
  const answers = golden.entry("in/vqa_targets").shape[1]!;
  const options = { rng: null, ...underTest };
  const model = load(golden, new ViltForQuestionAnswering(backboneOf(golden, underTest), answers, options));
  const selection = recordedSelection(golden, "vqa", golden.entry("in/image"), model.config);
  const input = { ...textsOf(golden), pixelValues: golden.tensor("in/image", underTest) };
  const { pooled, logits } = model.forward(input, { selection });
  const { hidden } = model.backbone.encode(input, { selection });
  const loss = questionAnsweringLoss(logits, golden.tensor("in/vqa_targets", underTest));
  const outputs = new Map([
    ["vqa/norm", hidden],
    ["vqa/cls_feats", pooled],
    ["vqa/logits", logits],
    ["vqa/loss", loss],
  ]);
  return claimsOf(golden, underTest, { model, loss, outputs, selections: { vqa: selection } });
}

/** Statements about two images. */
export function verifyImagePairs(golden: GoldenCase, underTest: UnderTest): Claims {
  const model = load(golden, new ViltForImagePairs(backboneOf(golden, underTest), { rng: null, ...underTest }));
  const names = ["in/image_0", "in/image_1"];
  const selections = names.map((name, i) => recordedSelection(golden, `nlvr2_${i}`, golden.entry(name), model.config));
  const inputs = names.map((name) => ({ ...textsOf(golden), pixelValues: golden.tensor(name, underTest) }));
  const options = selections.map((selection) => ({ selection }));
  const { pooled, logits } = model.forward(inputs, options);
  const { hiddenSize } = model.config;
  const labels = golden.integers("in/nlvr2_labels");
  const loss = crossEntropy(logits, fromArray(labels, [labels.length], { device: underTest.device }));
  const outputs = new Map([
    ...inputs.flatMap((input, i): [string, Tensor][] => [
      [`nlvr2_${i}/norm`, model.backbone.encode(input, { ...options[i], imageType: (1 + i) as Modality }).hidden],
      [`nlvr2_${i}/cls_feats`, slice(pooled, 1, i * hiddenSize, (i + 1) * hiddenSize)],
    ]),
    ["nlvr2/logits", logits],
    ["nlvr2/loss", loss],
  ]);
  const [first, second] = selections as [PatchSelection, PatchSelection];
  return claimsOf(golden, underTest, { model, loss, outputs, selections: { nlvr2_0: first, nlvr2_1: second } });
}

/** Retrieval: each image with its caption and with false ones. */
export function verifyRetrieval(golden: GoldenCase, underTest: UnderTest): Claims {
  const model = load(golden, new ViltForRetrieval(backboneOf(golden, underTest), { rng: null, ...underTest }));
  const { shape, data } = golden.entry("in/image");
  const B = shape[0]!;
  const negatives = [...golden.tensors.keys()].filter((name) => /^in\/false_text_\d+_ids$/.test(name)).length;
  const candidates = 1 + negatives;
  const captions = (kind: "ids" | "masks") =>
    [`in/text_${kind}`, ...Array.from({ length: negatives }, (_, f) => `in/false_text_${f}_${kind}`)].map((name) =>
      golden.integers(name),
    );
  const interleave = (lists: readonly Int32Array[]) => {
    const T = lists[0]!.length / B;
    const rows = Array.from({ length: B }, (_, b) => lists.flatMap((list) => [...list.subarray(b * T, (b + 1) * T)]));
    return Int32Array.from(rows.flat());
  };
  const size = data.length / B;
  const repeated = Float64Array.from({ length: candidates * data.length }, (_, k) => {
    const row = Math.floor(k / size);
    return data[Math.floor(row / candidates) * size + (k % size)]!;
  });
  const images = { shape: [B * candidates, ...shape.slice(1)], data: repeated };
  const selection = recordedSelection(golden, "irtr", images, model.config);
  const pixelValues = fromArray(images.data, images.shape, underTest);
  const input = { ids: interleave(captions("ids")), textMask: interleave(captions("masks")), pixelValues };
  const { pooled, scores } = model.forward(input, { selection });
  const { hidden } = model.backbone.encode(input, { selection });
  const loss = retrievalLoss(scores, candidates);
  const outputs = new Map([
    ["irtr/norm", hidden],
    ["irtr/cls_feats", pooled],
    ["irtr/score", reshape(scores, [B, candidates])],
    ["irtr/loss", loss],
  ]);
  return claimsOf(golden, underTest, { model, loss, outputs, selections: { irtr: selection } });
}
