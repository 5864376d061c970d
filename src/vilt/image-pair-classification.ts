import { concat } from "../autograd/ops/layout.ts";
import type { LayerOptions } from "../nn/init.ts";
import { Module } from "../nn/module.ts";
import { DataError } from "../tensor/errors.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { Classifier } from "./heads/classifier.ts";
import type { Modality } from "./modality-type-embedding.ts";
import type { ForwardOptions, Vilt, ViltInput } from "./model.ts";

/**
 * Whether a statement about several images is true (NLVR2; Kim et al. 2021, §4.3; specification §4.7): one pass for
 * each image with the same text and a modality type of its own, and a classifier of all pooled vectors.
 */
export class ViltForImagePairs extends Module {
  readonly pairClassifier: Classifier;

  /** @param backbone shared, with a modality type for the text and one for each image */
  constructor(
    readonly backbone: Vilt,
    options: LayerOptions,
    { numImages = 2, numClasses = 2 }: { numImages?: number; numClasses?: number } = {},
  ) {
    super();
    const { hiddenSize: d, modalityTypes, initializer } = backbone.config;
    if (modalityTypes < 1 + numImages)
      throw new DataError(
        `ViltForImagePairs: ${numImages} images need ${1 + numImages} modality types, not ${modalityTypes}`,
      );
    const sizes = { inputSize: numImages * d, innerSize: numImages * d, numClasses };
    this.pairClassifier = new Classifier(sizes, { initializer, ...options });
  }

  get config() {
    return this.backbone.config;
  }

  /** @param inputs one for each image, all with the same texts → pooled [B, images · d], logits [B, classes], 1 = true */
  forward(
    inputs: readonly ViltInput[],
    options: readonly ForwardOptions[] = [],
  ): { readonly pooled: Tensor; readonly logits: Tensor } {
    const passes = inputs.map((input, i) =>
      this.backbone.pool(input, { ...options[i], imageType: (1 + i) as Modality }),
    );
    const pooled = concat(passes, 1);
    return { pooled, logits: this.pairClassifier.forward(pooled) };
  }
}
