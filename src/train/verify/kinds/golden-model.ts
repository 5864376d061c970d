import * as z from "zod/mini";
import { reshape } from "../../../autograd/ops/layout.ts";
import type { HostArray } from "../../../nn/module.ts";
import type { Tensor } from "../../../tensor/tensor.ts";
import { parseViltConfig, type ViltConfig } from "../../../vilt/config.ts";
import { patchMaskOf, pixelMaskFromValues } from "../../../vilt/patch-mask.ts";
import { givenSelection, type PatchSelection, patchCoordinates } from "../../../vilt/patch-selection.ts";
import { publishedNames } from "../../../vilt/weights/weights.ts";
import type { Claim } from "../comparison.ts";
import type { GoldenCase, Tolerance, UnderTest } from "../golden-case.ts";

const configSchema = z.looseObject({
  config: z.looseObject({
    vocab_size: z.number(),
    hidden_size: z.number(),
    num_layers: z.number(),
    num_heads: z.number(),
    mlp_ratio: z.number(),
    patch_size: z.number(),
    pos_grid: z.number(),
    max_text_len: z.number(),
    max_image_len: z.number(),
  }),
  /** Cases that do not state them have the defaults. */
  layernorm_eps: z._default(z.record(z.string(), z.number()), {}),
});

/** The model that a case was recorded with. */
export function configOf(golden: GoldenCase): ViltConfig {
  const { config, layernorm_eps } = golden.read(configSchema);
  const epsOf = (part: string) => Object.entries(layernorm_eps).find(([key]) => key.includes(part))?.[1];
  const size = config.pos_grid * config.patch_size;
  return parseViltConfig(
    {
      hiddenSize: config.hidden_size,
      numLayers: config.num_layers,
      numHeads: config.num_heads,
      mlpRatio: config.mlp_ratio,
      vocabularySize: config.vocab_size,
      maxTextLength: config.max_text_len,
      modalityTypes: golden.entry("weight/token_type_embeddings.weight").shape[0],
      imageSize: [size, size],
      patchSize: config.patch_size,
      maxImageLength: config.max_image_len < 0 ? null : config.max_image_len,
      maskedPatches: golden.tensors.has("weight/transformer.mask_token"),
      encoderEps: epsOf("norm1"),
      textEps: epsOf("text_embeddings"),
    },
    golden.name,
  );
}

/** The recorded weights under their published names. */
export function weightsOf(golden: GoldenCase): Map<string, HostArray> {
  const prefix = "weight/";
  return new Map(
    [...golden.tensors].flatMap(([name, entry]) =>
      name.startsWith(prefix) ? [[name.slice(prefix.length), entry] as const] : [],
    ),
  );
}

/** The patches that were drawn in a pass, with validity derived from the pixels as the original does. */
export function recordedSelection(
  golden: GoldenCase,
  pass: string,
  pixels: HostArray,
  config: ViltConfig,
): PatchSelection {
  const [batchSize, , height, width] = pixels.shape as [number, number, number, number];
  const extent = { batchSize, height, width, patchSize: config.patchSize };
  const patches = patchMaskOf(pixelMaskFromValues(pixels.data, batchSize, config.numChannels), extent, true);
  return givenSelection(patches, golden.integers(`${pass}/flat_index`));
}

/** README of the reference data, for cases that state no tolerance of their own. */
const ADVICE = {
  float32_forward: { atol: 2e-5, rtol: 1e-4 },
  float64_forward: { atol: 1e-10, rtol: 1e-9 },
  float32_grad: { atol: 5e-5, rtol: 1e-3 },
  float64_grad: { atol: 1e-9, rtol: 1e-8 },
} as const;

/** The tolerance for one recorded tensor: the tight one where both sides are float64. */
export function modelTolerance(
  golden: GoldenCase,
  name: string,
  what: "forward" | "grad",
  { dtype }: UnderTest,
): Tolerance {
  const precise = dtype === "float64" && golden.entry(name).dtype === "F64";
  const key = `${precise ? "float64" : "float32"}_${what}` as const;
  return golden.tolerance([key], ADVICE[key]);
}

/** Claims each value for every prefix under which the case records it: `out/` and `out64/`, say. */
export function claimAll(
  golden: GoldenCase,
  underTest: UnderTest,
  prefixes: readonly string[],
  values: ReadonlyMap<string, Tensor | HostArray>,
  what: "forward" | "grad" = "forward",
): Claim[] {
  return [...values].flatMap(([suffix, value]) =>
    prefixes
      .map((prefix) => prefix + suffix)
      .filter((name) => golden.tensors.has(name))
      .map((name) => ({ name, value, tolerance: modelTolerance(golden, name, what, underTest) })),
  );
}

/** The patches of a pass as the case records them. */
export function selectionFacts(pass: string, selection: PatchSelection): [string, HostArray][] {
  const { index, mask, length } = selection;
  const B = index.length / length;
  return [
    [`${pass}/patch_index`, { shape: [B, length, 2], data: patchCoordinates(selection) }],
    [`${pass}/patch_mask`, { shape: [B, length], data: mask }],
  ];
}

/** Gradients by published name and shape; 0 where a parameter has none. */
export function gradientsOf(model: Parameters<typeof publishedNames>[0]): Map<string, Tensor | HostArray> {
  const parameters = model.namedParameters();
  return new Map(
    publishedNames(model).map(({ published, shape, parameter }) => {
      const { grad, value } = parameters.get(parameter)!;
      return [published, grad ? reshape(grad, shape) : { shape, data: new Float64Array(value.size) }];
    }),
  );
}

/** The paper's alignment: after the final LayerNorm, weight 0.1, β 0.5, 50 iterations. */
export const wordPatchAlignment = [{ layer: "final", weight: 0.1, beta: 0.5, iterations: 50 }] as const;

/** The true image where the label is 1, the false one elsewhere. */
export function matchingImages(golden: GoldenCase, labels: Int32Array): HostArray & { readonly data: Float64Array } {
  const [real, other] = [golden.entry("in/image"), golden.entry("in/false_image_0")];
  const size = real.data.length / labels.length;
  const data = Float64Array.from(real.data, (pixel, k) => (labels[Math.floor(k / size)] ? pixel : other.data[k]!));
  return { shape: real.shape, data };
}
