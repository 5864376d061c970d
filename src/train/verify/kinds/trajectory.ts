import * as z from "zod/mini";
import { backward } from "../../../autograd/grad.ts";
import { reshape } from "../../../autograd/ops/layout.ts";
import { AdamW } from "../../../optim/adamw.ts";
import { polynomialDecay } from "../../../optim/schedules.ts";
import { fromArray } from "../../../tensor/create.ts";
import { scope } from "../../../tensor/scope.ts";
import type { Tensor } from "../../../tensor/tensor.ts";
import { ViltForPretraining } from "../../../vilt/pretraining.ts";
import { loadPublishedWeights, publishedNames } from "../../../vilt/weights/weights.ts";
import { fineTuningGroups } from "../../parameter-groups.ts";
import type { Claim, Claims } from "../comparison.ts";
import type { GoldenCase, Tolerance, UnderTest } from "../golden-case.ts";
import { configOf, matchingImages, recordedSelection, weightsOf, wordPatchAlignment } from "./golden-model.ts";

const schema = z.looseObject({
  config: z.looseObject({
    ...{ learning_rate: z.number(), weight_decay: z.number(), decay_power: z.number(), end_lr: z.number() },
    ...{ warmup_steps: z.number() },
  }),
  ...{ steps: z.number(), max_steps: z.number() },
});

/** README of the reference data. */
const LOSSES: Readonly<Record<string, Tolerance>> = {
  float32: { atol: 0, rtol: 1e-3 },
  float64: { atol: 1e-8, rtol: 1e-8 },
};
/** Weights after float32 training: twice the drift that the reference states of its own, without the key biases. */
const FLOAT32_WEIGHTS = { atol: 1e-6, rtol: 1e-4 };

/** Several steps of pre-training on one batch: losses, learning rates, and the weights at the end. */
export function verifyTrajectory(golden: GoldenCase, underTest: UnderTest): Claims {
  const { config, steps, max_steps } = golden.read(schema);
  const model = new ViltForPretraining(configOf(golden), { rng: null, ...underTest });
  loadPublishedWeights(model, weightsOf(golden), golden.name);
  const optimizer = new AdamW(fineTuningGroups(model, { weightDecay: config.weight_decay }));
  const schedule = polynomialDecay({
    ...{ warmupSteps: config.warmup_steps, totalSteps: max_steps, power: config.decay_power },
    end: config.end_lr / config.learning_rate,
  });
  const logged = {
    total: [] as Promise<number>[],
    mlm: [] as Promise<number>[],
    itm: [] as Promise<number>[],
    wpa: [] as Promise<number>[],
    lr: [] as number[],
  };
  const read = async (loss: Tensor) => (await loss.data())[0]!;
  for (let step = 0; step < steps; step++)
    scope(() => {
      const learningRate = config.learning_rate * schedule(step);
      const { total, ...losses } = lossesOf(golden, underTest, model, step);
      optimizer.zeroGrad();
      backward(total, { retainGraph: true });
      optimizer.step({ learningRate });
      logged.lr.push(learningRate);
      logged.total.push(read(total));
      logged.mlm.push(read(losses.maskedLanguageModeling.loss));
      logged.itm.push(read(losses.imageTextMatching.loss));
      logged.wpa.push(read(losses.wordPatchAlignment[0]!.loss));
    });
  return {
    claims: [
      ...Object.entries(logged).flatMap(([name, data]) =>
        ["out/", "out64/"].map((prefix) => lossClaim(underTest, prefix + name, data)),
      ),
      ...weightClaims(golden, underTest, model),
    ].filter(({ name }) => golden.tensors.has(name)),
    inputs: [...golden.tensors.keys()].filter((name) => /^step\d+\//.test(name)),
  };
}

function lossesOf(golden: GoldenCase, underTest: UnderTest, model: ViltForPretraining, step: number) {
  const matchingLabels = golden.integers(`step${step}/itm/labels`);
  const matching = matchingImages(golden, matchingLabels);
  const batch = {
    ...{ ids: golden.integers("in/text_ids"), textMask: golden.integers("in/text_masks") },
    ...{ maskedIds: golden.integers("in/text_ids_mlm"), maskedLabels: golden.integers("in/text_labels_mlm") },
    pixelValues: golden.tensor("in/image", underTest),
    matchingPixelValues: fromArray(matching.data, matching.shape, underTest),
    matchingLabels,
  };
  const selections = {
    masked: recordedSelection(golden, `step${step}/mlm`, golden.entry("in/image"), model.config),
    matching: recordedSelection(golden, `step${step}/itm`, matching, model.config),
  };
  return model.losses(batch, { wordPatchAlignment, selections });
}

/** Learning rates are exact; losses of one run are compared with those of the other precision loosely. */
function lossClaim({ dtype }: UnderTest, name: string, logged: readonly (number | Promise<number>)[]): Claim {
  const precise = name.endsWith("/lr") || (dtype === "float64" && name.startsWith("out64/"));
  const value = { shape: [logged.length], data: Promise.all(logged) };
  return { name, value, tolerance: LOSSES[precise ? "float64" : "float32"]! };
}

function weightClaims(golden: GoldenCase, { dtype }: UnderTest, model: ViltForPretraining): Claim[] {
  const parameters = model.namedParameters();
  return publishedNames(model).flatMap(({ published: weight, shape, parameter }) =>
    ["final/", "final64/"].map((prefix): Claim => {
      const precise = dtype === "float64" && prefix === "final64/";
      const tolerance = precise ? golden.tolerance(["float64_final"], { atol: 1e-8, rtol: 0 }) : FLOAT32_WEIGHTS;
      const slack = precise || !weight.endsWith("attn.qkv.bias") ? undefined : keyBiasSlack(shape[0]!);
      const value = reshape(parameters.get(parameter)!.value, shape);
      return { name: prefix + weight, value, tolerance, ...(slack && { slack }) };
    }),
  );
}

/** The gradient of a key's bias is 0 in exact arithmetic, and Adam makes steps of any size of its rounding noise. */
function keyBiasSlack(length: number): Float64Array {
  return Float64Array.from({ length }, (_, row) =>
    Math.floor(row / (length / 3)) === 1 ? Number.POSITIVE_INFINITY : 0,
  );
}
