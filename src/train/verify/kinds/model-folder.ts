import { readFileSync } from "node:fs";
import path from "node:path";
import * as z from "zod/mini";
import { reshape } from "../../../autograd/ops/layout.ts";
import type { RgbImage } from "../../../data/image.ts";
import { ImageProcessor } from "../../../data/image-processor.ts";
import { parseJson } from "../../../data/json.ts";
import { SafetensorsFile } from "../../../data/safetensors-file.ts";
import { fromArray } from "../../../tensor/create.ts";
import { DataError } from "../../../tensor/errors.ts";
import type { Tensor } from "../../../tensor/tensor.ts";
import { buildHuggingfaceModel, parseHuggingfaceConfig } from "../../../vilt/huggingface.ts";
import { ViltForImagePairs } from "../../../vilt/image-pair-classification.ts";
import { Vilt } from "../../../vilt/model.ts";
import { ViltForRetrieval } from "../../../vilt/retrieval.ts";
import { huggingfaceLayout } from "../../../vilt/weights/huggingface.ts";
import { loadPublishedWeights } from "../../../vilt/weights/weights.ts";
import type { Claims } from "../comparison.ts";
import type { GoldenCase, UnderTest } from "../golden-case.ts";

const schema = z.looseObject({ folder: z.string() });
/** README of the recorded folders. */
const TOLERANCE = { atol: 2e-5, rtol: 1e-4 };
/** One grey level after normalisation. */
const GREY_LEVEL = { atol: 2 / 255 + 1e-6, rtol: 0 };

/** A checkpoint folder of Hugging Face Transformers, with what that library computes from it. */
export function verifyModelFolder(golden: GoldenCase, underTest: UnderTest): Claims {
  const { folder } = golden.read(schema);
  const config = path.join(folder, "config.json");
  const file = new SafetensorsFile(path.join(folder, "model.safetensors"));
  try {
    const settings = parseHuggingfaceConfig(parseJson(readFileSync(config, "utf8"), config), config);
    const model = buildHuggingfaceModel(settings, file.tensors, { rng: null, ...underTest });
    loadPublishedWeights(model, file.tensors, file.path, huggingfaceLayout);
    const outputs = Object.entries(outputsOf(golden, underTest, model));
    return { claims: outputs.map(([name, value]) => ({ name: `out/${name}`, value, tolerance: TOLERANCE })) };
  } finally {
    file.close();
  }
}

function outputsOf(golden: GoldenCase, underTest: UnderTest, model: ReturnType<typeof buildHuggingfaceModel>) {
  const texts = { ids: golden.integers("in/input_ids"), textMask: golden.integers("in/attention_mask") };
  const { shape, data } = golden.entry("in/pixel_values");
  const mask = golden.integers("in/pixel_mask");
  const input = (pixels: ArrayLike<number>, pixelMask: Int32Array) => {
    const [B, , , H, W] = shape.length === 5 ? shape : [shape[0]!, 1, ...shape.slice(1)];
    const pixelValues = fromArray(pixels, [B!, shape.at(-3)!, H!, W!], underTest);
    return { ...texts, pixelValues, pixelMask };
  };
  const outputs = (values: Record<string, Tensor>) => values;
  if (model instanceof ViltForImagePairs) {
    const [B, n] = shape as [number, number];
    const image = <A extends { length: number; subarray(a: number, b: number): ArrayLike<number> }>(
      all: A,
      i: number,
    ) => {
      const size = all.length / (B * n);
      return Array.from({ length: B }, (_, b) =>
        Array.from(all.subarray((b * n + i) * size, (b * n + i + 1) * size)),
      ).flat();
    };
    const inputs = Array.from({ length: n }, (_, i) => input(image(data, i), Int32Array.from(image(mask, i))));
    return outputs({ logits: model.forward(inputs).logits });
  }
  const one = input(data, mask);
  if (model instanceof Vilt) {
    const { pooled, text } = model.forward(one);
    return outputs({ pooler_output: pooled, text_hidden: text });
  }
  if (model instanceof ViltForRetrieval) return outputs({ logits: reshape(model.forward(one).scores, [-1, 1]) });
  return outputs({ logits: model.forward(one).logits });
}

/** A checkpoint's image processor, with what the library makes of some pictures. */
export function verifyImageProcessor(golden: GoldenCase): Claims {
  const { folder } = golden.read(schema);
  const file = path.join(folder, "preprocessor_config.json");
  const processor = ImageProcessor.fromJSON(parseJson(readFileSync(file, "utf8"), file), file);
  const names = [...golden.tensors.keys()].filter((name) => name.startsWith("in/image_")).sort();
  const { pixelValues, pixelMask, size, height, width } = processor.process(names.map((name) => picture(golden, name)));
  return {
    claims: [
      {
        name: "out/pixel_values",
        value: { shape: [size, 3, height, width], data: pixelValues },
        tolerance: GREY_LEVEL,
      },
      { name: "out/pixel_mask", value: { shape: [size, height, width], data: pixelMask }, tolerance: GREY_LEVEL },
    ],
  };
}

function picture(golden: GoldenCase, name: string): RgbImage {
  const { shape, data } = golden.entry(name);
  const [height, width] = shape as [number, number, number];
  if (!(data instanceof Uint8Array)) throw new DataError(`${golden.name}: ${name} does not hold bytes`);
  return { data, width, height };
}
