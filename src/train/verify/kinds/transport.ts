import * as z from "zod/mini";
import { cosineDistance } from "../../../autograd/functions/cosine-distance.ts";
import { ipot } from "../../../autograd/functions/ipot.ts";
import { grad } from "../../../autograd/grad.ts";
import { variable } from "../../../autograd/graph.ts";
import { add, mul } from "../../../autograd/ops/arithmetic.ts";
import { transpose } from "../../../autograd/ops/layout.ts";
import { sum } from "../../../autograd/ops/reduce.ts";
import { fromArray } from "../../../tensor/create.ts";
import { DataError } from "../../../tensor/errors.ts";
import type { Tensor } from "../../../tensor/tensor.ts";
import { transportHeatMap } from "../../../vilt/heat-map.ts";
import { align } from "../../../vilt/objectives/word-patch-alignment.ts";
import type { Claim, Claims } from "../comparison.ts";
import type { GoldenCase, Tolerance, UnderTest } from "../golden-case.ts";

const schema = z.looseObject({
  ipot_variants: z.array(z.object({ beta: z.number(), iteration: z.number(), k: z.number(), tensor: z.string() })),
  heatmap: z.optional(z.object({ hidx: z.number(), H: z.number(), W: z.number() })),
});

/** The settings of word–patch alignment in training. */
const TRAINING = { beta: 0.5, iterations: 50 };
/** Those of the original's picture. */
const PICTURE = { beta: 0.1, iterations: 1000 };

/** Transport plans, distances with their gradients, and the heat map of one word. */
export function verifyTransport(golden: GoldenCase, underTest: UnderTest): Claims {
  const { ipot_variants, heatmap } = golden.read(schema);
  const claims = [
    ...ipot_variants.flatMap((variant) => planClaims(golden, underTest, variant)),
    ...(golden.tensors.has("empty/C") ? emptyClaims(golden, underTest) : []),
    ...(golden.tensors.has("emb/txt") ? embeddingClaims(golden, underTest) : []),
    ...(heatmap ? heatMapClaims(golden, underTest, heatmap) : []),
  ];
  const inputs = [...golden.tensors.keys()].filter((name) =>
    /\/(C|x_pad|y_pad|txt|img|upstream|cost_upstream|patch_index)$|^heatmap\/cost$/.test(name),
  );
  return { claims, inputs };
}

function toleranceOf(golden: GoldenCase, { dtype }: UnderTest, name: string): Tolerance {
  if (dtype === "float64" && golden.entry(name).dtype === "F64")
    return golden.tolerance(["float64"], { atol: 1e-10, rtol: 1e-8 });
  const sharp = name.includes("beta0.1") || name.startsWith("heatmap/");
  return golden.tolerance(sharp ? ["T_beta0.1_it1000 float32", "float32"] : ["float32"], { atol: 1e-5, rtol: 1e-4 });
}

const distancesOf = (cost: Tensor, plan: Tensor) => sum(mul(cost, transpose(plan)), [1, 2]);

/** Claims a value under every name that the case records. */
function claimsOf(golden: GoldenCase, underTest: UnderTest, value: Claim["value"], names: readonly string[]): Claim[] {
  return names
    .filter((name) => golden.tensors.has(name))
    .map((name) => ({ name, value, tolerance: toleranceOf(golden, underTest, name) }));
}

/** What takes part: the complement of the recorded pads. */
function masksOf(golden: GoldenCase, group: string, { device }: UnderTest): { words: Tensor; patches: Tensor } {
  const taking = (name: string) =>
    fromArray(
      golden.integers(name).map((excluded) => 1 - excluded),
      golden.entry(name).shape,
      { device },
    );
  return { words: taking(`${group}/x_pad`), patches: taking(`${group}/y_pad`) };
}

function planClaims(
  golden: GoldenCase,
  underTest: UnderTest,
  { beta, iteration, k, tensor }: z.output<typeof schema>["ipot_variants"][number],
): Claim[] {
  if (k !== 1) throw new DataError(`${golden.name}: ${k} inner iterations; the original and ours take 1`);
  const cost = golden.tensor("ipot/C", underTest);
  const { words, patches } = masksOf(golden, "ipot", underTest);
  const plan = ipot(cost, words, patches, { beta, iterations: iteration });
  return [
    ...claimsOf(golden, underTest, plan, [tensor, tensor.replace("/T_", "/T64_")]),
    ...claimsOf(golden, underTest, distancesOf(cost, plan), [tensor.replace("/T_", "/dist_")]),
  ];
}

/** A sample without any word: its plan and distance are 0. */
function emptyClaims(golden: GoldenCase, underTest: UnderTest): Claim[] {
  const cost = golden.tensor("empty/C", underTest);
  const { words, patches } = masksOf(golden, "empty", underTest);
  const plan = ipot(cost, words, patches, TRAINING);
  return [
    ...claimsOf(golden, underTest, plan, ["empty/T"]),
    ...claimsOf(golden, underTest, distancesOf(cost, plan), ["empty/distance"]),
  ];
}

function embeddingClaims(golden: GoldenCase, underTest: UnderTest): Claim[] {
  const [text, image] = ["emb/txt", "emb/img"].map((name) => variable(golden.tensor(name, underTest))) as [
    Tensor,
    Tensor,
  ];
  const claim = (value: Tensor, ...names: string[]) => claimsOf(golden, underTest, value, names);
  const cost = cosineDistance(text, image);
  const costGrads = grad(cost, [text, image], {
    seed: golden.tensor("emb/cost_upstream", underTest),
    retainGraph: true,
  });
  const { distances } = align(text, image, masksOf(golden, "ipot", underTest), TRAINING);
  const distanceGrads = grad(distances, [text, image], {
    seed: golden.tensor("emb/upstream", underTest),
    retainGraph: true,
  });
  return [
    ...claim(cost, "emb/cost", "emb/cost64"),
    // The reference accumulated these on top of the gradients of the distances.
    ...claim(add(costGrads[0]!, distanceGrads[0]!), "emb/cost_grad_txt64"),
    ...claim(add(costGrads[1]!, distanceGrads[1]!), "emb/cost_grad_img64"),
    ...claim(distances, "emb/distance", "emb/distance64"),
    ...claim(distanceGrads[0]!, "emb/grad_txt", "emb/grad_txt64"),
    ...claim(distanceGrads[1]!, "emb/grad_img", "emb/grad_img64"),
  ];
}

/** The picture's plan: one caption without padding, so [CLS], [SEP] and the image's class token alone are left out. */
function heatMapClaims(
  golden: GoldenCase,
  underTest: UnderTest,
  { hidx, H, W }: { hidx: number; H: number; W: number },
): Claim[] {
  const cost = golden.tensor("heatmap/cost", underTest);
  const [, M, N] = cost.shape as [number, number, number];
  const mask = (length: number, taking: (i: number) => boolean) =>
    fromArray(
      Int32Array.from({ length }, (_, i) => (taking(i) ? 1 : 0)),
      [1, length],
      { device: underTest.device },
    );
  const plan = ipot(
    cost,
    mask(M, (i) => i > 0 && i < M - 1),
    mask(N, (j) => j > 0),
    PICTURE,
  );
  const picture = plan.data().then((all) => {
    const masses = Float64Array.from({ length: N - 1 }, (_, k) => all[(k + 1) * M + hidx]!);
    return transportHeatMap(masses, [H, W], golden.integers("heatmap/patch_index"));
  });
  return [
    ...claimsOf(golden, underTest, plan, ["heatmap/T"]),
    ...claimsOf(golden, underTest, { shape: [H, W], data: picture }, ["heatmap/heatmap"]),
  ];
}
