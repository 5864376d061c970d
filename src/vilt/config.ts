import * as z from "zod/mini";
import { ConfigError } from "../tensor/errors.ts";
import { count, expectSchema, fraction, positive } from "../tensor/expect-schema.ts";

const modelSchema = z
  .strictObject({
    hiddenSize: count,
    numLayers: count,
    numHeads: count,
    /** Inner width of the MLP as a multiple of the hidden size. */
    mlpRatio: z._default(positive, 4),
    vocabularySize: count,
    maxTextLength: count,
    /** Rows of BERT's own table; only row 0 is ever used. */
    segmentTypes: z._default(count, 2),
    /** Row 0 text, 1 image, 2 the second image of a pair. */
    modalityTypes: z._default(count, 2),
    /** Height and width that the grid of positions stands for. */
    imageSize: z.tuple([count, count]),
    patchSize: count,
    numChannels: z._default(count, 3),
    /** Patches kept of each image; null for all. */
    maxImageLength: z._default(z.nullable(count), null),
    dropout: z._default(fraction, 0),
    queryKeyValueBias: z._default(z.boolean(), true),
    /** ViT's constant in the original; the Hugging Face port has 1e-12 here too. */
    encoderEps: z._default(positive, 1e-6),
    /** BERT's constant: text embedding and the heads' transform. */
    textEps: z._default(positive, 1e-12),
    initializer: z._default(z.enum(["normal", "fanIn"]), "normal"),
    /** Give the backbone a vector that stands for hidden patches: masked patch prediction, the paper's ablation. */
    maskedPatches: z._default(z.boolean(), false),
    /** Share the decoder of masked words with the word embedding; the original never does. */
    tieWordEmbeddings: z._default(z.boolean(), false),
  })
  .check(
    z.refine(({ hiddenSize, numHeads }) => hiddenSize % numHeads === 0, {
      path: ["numHeads"],
      error: "must divide hiddenSize",
    }),
    z.refine(({ imageSize, patchSize }) => imageSize.every((n) => n % patchSize === 0), {
      path: ["patchSize"],
      error: "must divide both lengths of imageSize",
    }),
  );

/** Where word–patch alignment compares tokens, and how strongly it counts. */
const alignmentSchema = z.strictObject({
  /** "final": after the last LayerNorm (the paper); "embedding": the transformer's input. */
  layer: z.enum(["final", "embedding"]),
  weight: z._default(z.number(), 0.1),
  beta: z._default(positive, 0.5),
  iterations: z._default(count, 50),
});

const presetSchema = z.strictObject({
  model: modelSchema,
  batchSize: count,
  wordPatchAlignment: z.array(alignmentSchema),
});

/** Shape and constants of a model. */
export type ViltConfig = Readonly<z.output<typeof modelSchema>>;
export type WordPatchAlignmentConfig = Readonly<z.output<typeof alignmentSchema>>;
/** A model with the batch and the alignment losses that it is pre-trained with. */
export interface Preset {
  readonly model: ViltConfig;
  readonly batchSize: number;
  readonly wordPatchAlignment: readonly WordPatchAlignmentConfig[];
}

/** Checks a configuration and fills in the defaults. @throws {ConfigError} that names `source` and every bad field */
export function parseViltConfig(value: unknown, source = "model configuration"): ViltConfig {
  return expectSchema(modelSchema, value, source, ConfigError);
}

/** The paper's objective: the final layer, weight 0.1, β 0.5, 50 iterations. */
const paperAlignment = { layer: "final" };

const presetData = {
  /** For unit tests and benchmarks. */
  toy: {
    model: {
      hiddenSize: 64,
      numLayers: 2,
      numHeads: 4,
      vocabularySize: 200,
      maxTextLength: 16,
      imageSize: [32, 32],
      patchSize: 8,
      initializer: "fanIn",
    },
    batchSize: 32,
    wordPatchAlignment: [paperAlignment],
  },
  /** Learns emoji-scenes in five minutes; alignment also acts on the embedding layer, without which it does not point. */
  tiny: {
    model: {
      hiddenSize: 64,
      numLayers: 3,
      numHeads: 4,
      vocabularySize: 53,
      maxTextLength: 16,
      imageSize: [48, 48],
      patchSize: 12,
      initializer: "fanIn",
    },
    batchSize: 64,
    wordPatchAlignment: [{ layer: "embedding", weight: 3 }, paperAlignment],
  },
  /** Rectangular pictures at a size where the matrix product dominates. */
  small: {
    model: {
      hiddenSize: 256,
      numLayers: 6,
      numHeads: 4,
      vocabularySize: 2000,
      maxTextLength: 24,
      imageSize: [96, 128],
      patchSize: 16,
      initializer: "fanIn",
    },
    batchSize: 16,
    wordPatchAlignment: [paperAlignment],
  },
  /** ViLT-B/32 as published (Kim et al. 2021), with the patch limit and dropout of its pre-training. */
  b32: {
    model: {
      hiddenSize: 768,
      numLayers: 12,
      numHeads: 12,
      vocabularySize: 30522,
      maxTextLength: 40,
      imageSize: [384, 384],
      patchSize: 32,
      maxImageLength: 200,
      dropout: 0.1,
    },
    batchSize: 4096,
    wordPatchAlignment: [paperAlignment],
  },
} as const;

export type PresetName = keyof typeof presetData;
export const presetNames = Object.keys(presetData) as PresetName[];

/** A named configuration. @throws {ConfigError} that lists the names there are */
export function getPreset(name: string): Preset {
  if (!Object.hasOwn(presetData, name))
    throw new ConfigError(`no preset "${name}"; there are ${presetNames.join(", ")}`);
  return expectSchema(presetSchema, presetData[name as PresetName], `preset ${name}`, ConfigError);
}

/** Rows and columns of the grid of positions. */
export function positionGrid({ imageSize: [height, width], patchSize }: ViltConfig): [number, number] {
  return [height / patchSize, width / patchSize];
}
