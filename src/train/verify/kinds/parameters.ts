import * as z from "zod/mini";
import { Module } from "../../../nn/module.ts";
import { DataError } from "../../../tensor/errors.ts";
import { getPreset, parseViltConfig, type ViltConfig } from "../../../vilt/config.ts";
import { ImageTextMatchingHead } from "../../../vilt/heads/image-text-matching.ts";
import { ViltForImagePairs } from "../../../vilt/image-pair-classification.ts";
import { Vilt } from "../../../vilt/model.ts";
import { ViltForPretraining } from "../../../vilt/pretraining.ts";
import { ViltForQuestionAnswering } from "../../../vilt/question-answering.ts";
import { ViltForRetrieval } from "../../../vilt/retrieval.ts";
import { publishedNames } from "../../../vilt/weights/weights.ts";
import { fineTuningGroups } from "../../parameter-groups.ts";
import type { Check, Claims } from "../comparison.ts";
import type { GoldenCase } from "../golden-case.ts";

const lossNames = z.record(z.string(), z.number());

/** Of VQAv2. */
const ANSWERS = 3129;
/** Shapes alone. */
const options = { rng: null, device: "meta" } as const;

/** The original keeps the matching head beside the rank head, frozen. */
class RetrievalWithMatching extends Module {
  readonly backbone: Vilt;
  readonly imageTextMatchingHead: ImageTextMatchingHead;
  readonly rankHead: ViltForRetrieval["rankHead"];

  constructor(readonly config: ViltConfig) {
    super();
    this.backbone = new Vilt(config, options);
    this.imageTextMatchingHead = new ImageTextMatchingHead(config.hiddenSize, options);
    this.rankHead = new ViltForRetrieval(this.backbone, options).rankHead;
  }
}

/** The model that the original builds for these losses. */
function modelFor(
  losses: Readonly<Record<string, number>>,
  config: ViltConfig,
): Module & { readonly config: ViltConfig } {
  const wanted = Object.keys(losses).filter((name) => losses[name]! > 0);
  const key = wanted.sort().join(" ");
  if (key === "itm mlm") return new ViltForPretraining(config, options);
  if (key === "vqa") return new ViltForQuestionAnswering(new Vilt(config, options), ANSWERS, options);
  if (key === "nlvr2") return new ViltForImagePairs(new Vilt({ ...config, modalityTypes: 3 }, options), options);
  if (key === "irtr itm") return new RetrievalWithMatching(config);
  throw new DataError(`no model for the losses ${key}`);
}

const shapesSchema = z.looseObject({
  tasks: z.record(
    z.string(),
    z.looseObject({
      loss_names: lossNames,
      total_parameters: z.number(),
      parameters: z.array(z.tuple([z.string(), z.array(z.number())])),
    }),
  ),
});

const byName = ([a]: readonly [string, ...unknown[]], [b]: readonly [string, ...unknown[]]) => (a < b ? -1 : 1);

/** Names and shapes of every parameter of the full-size model, for each task. */
export function verifyParameterShapes(golden: GoldenCase): Claims {
  const { tasks } = golden.read(shapesSchema);
  const config = getPreset("b32").model;
  const checks = Object.entries(tasks).flatMap(([task, { loss_names, total_parameters, parameters }]): Check[] => {
    const model = modelFor(loss_names, config);
    const own = publishedNames(model).map(({ published, shape }): [string, number[]] => [published, [...shape]]);
    return [
      { name: `${task}: number of weights`, actual: model.countParameters(), expected: total_parameters },
      { name: `${task}: names and shapes`, actual: own.sort(byName), expected: [...parameters].sort(byName) },
    ];
  });
  return { claims: [], checks };
}

const groupsSchema = z.looseObject({
  models: z.array(
    z.looseObject({
      ...{ loss_names: lossNames, learning_rate: z.number(), lr_mult: z.number(), weight_decay: z.number() },
      groups: z.array(
        z.object({ index: z.number(), weight_decay: z.number(), initial_lr: z.number(), names: z.array(z.string()) }),
      ),
    }),
  ),
});

/** Names depend on the number of blocks alone. */
const smallModel = (numLayers: number) =>
  parseViltConfig({
    ...{ hiddenSize: 8, numLayers, numHeads: 2, vocabularySize: 10, maxTextLength: 4, imageSize: [4, 4], patchSize: 2 },
  });

/** Weight decay and learning rate of every parameter. */
export function verifyParameterGroups(golden: GoldenCase): Claims {
  const { models } = golden.read(groupsSchema);
  const checks = models.flatMap(({ loss_names, learning_rate, lr_mult, weight_decay, groups }, m): Check[] => {
    const blocks = groups.flatMap(({ names }) => names.map((name) => Number(/blocks\.(\d+)\./.exec(name)?.[1] ?? 0)));
    const model = modelFor(loss_names, smallModel(1 + Math.max(...blocks)));
    const published = new Map(publishedNames(model).map(({ published, parameter }) => [parameter, published]));
    const own = fineTuningGroups(model, { weightDecay: weight_decay, headMultiplier: lr_mult });
    return groups.map(({ index, weight_decay, initial_lr, names }) => {
      const { parameters, weightDecay, learningRateMultiplier } = own[index]!;
      const ownNames = [...parameters.keys()].map((name) => published.get(name)!);
      return {
        name: `model ${m}, group ${index}`,
        actual: [weightDecay, learning_rate * learningRateMultiplier!, ownNames.sort()],
        expected: [weight_decay, initial_lr, [...names].sort()],
      };
    });
  });
  return { claims: [], checks };
}
