import * as z from "zod/mini";
import { count, expectSchema, positive } from "../tensor/expect-schema.ts";
import { collateImages, type ImageBatch } from "./batch.ts";
import { type PlanarImage, type RgbImage, resizeBicubic, resizedSize } from "./image.ts";

const triple = z.tuple([z.number(), z.number(), z.number()]);
const schema = z.looseObject({
  do_resize: z._default(z.boolean(), true),
  size: z._default(z.union([count, z.looseObject({ shortest_edge: count })]), 384),
  size_divisor: z._default(count, 32),
  resample: z._default(z.literal(3), 3),
  do_rescale: z._default(z.boolean(), true),
  rescale_factor: z._default(positive, 1 / 255),
  do_normalize: z._default(z.boolean(), true),
  image_mean: z._default(triple, [0.5, 0.5, 0.5]),
  image_std: z._default(triple, [0.5, 0.5, 0.5]),
});
type Settings = z.output<typeof schema>;

/** Makes a model's input of pictures as a checkpoint's `preprocessor_config.json` says (specification §5.4 and §7.3). */
export class ImageProcessor {
  private constructor(readonly settings: Settings) {}

  /** @throws {DataError} naming `source` and every field that does not fit; only bicubic resampling (3) is known */
  static fromJSON(json: unknown, source = "preprocessor_config.json"): ImageProcessor {
    return new ImageProcessor(expectSchema(schema, json, source));
  }

  /** The settings of a model with pictures of this shorter side and patches of this size. */
  static forModel({
    imageSize,
    patchSize,
  }: {
    imageSize: readonly [number, number];
    patchSize: number;
  }): ImageProcessor {
    return ImageProcessor.fromJSON({ size: { shortest_edge: Math.min(...imageSize) }, size_divisor: patchSize });
  }

  /** One picture, resized and normalised: [3, height, width]. */
  prepare(picture: RgbImage): PlanarImage {
    const { do_resize, size, size_divisor: divisor } = this.settings;
    if (!do_resize) return this.#normalize(picture);
    const shorter = typeof size === "number" ? size : size.shortest_edge;
    const { width, height } = resizedSize(picture.width, picture.height, { shorter, divisor });
    return this.#normalize(resizeBicubic(picture, width, height));
  }

  /** Pictures of any sizes, padded with 0 at the right and below to one size, with a mask of what is real. */
  process(pictures: readonly RgbImage[]): ImageBatch {
    return collateImages(pictures.map((picture) => this.prepare(picture)));
  }

  #normalize({ data, width, height }: RgbImage): PlanarImage {
    const { do_rescale, rescale_factor, do_normalize, image_mean, image_std } = this.settings;
    const scale = do_rescale ? rescale_factor : 1;
    const area = width * height;
    const image = new Float32Array(3 * area);
    for (let c = 0; c < 3; c++) {
      const [mean, std] = do_normalize ? [image_mean[c]!, image_std[c]!] : [0, 1];
      for (let i = 0; i < area; i++) image[c * area + i] = (data[3 * i + c]! * scale - mean) / std;
    }
    return { image, width, height };
  }

  toJSON(): object {
    return { image_processor_type: "ViltImageProcessor", do_pad: true, ...this.settings };
  }
}
