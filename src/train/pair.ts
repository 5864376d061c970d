import { prepareImage } from "../data/image.ts";
import { decodeImage } from "../data/image-file.ts";
import type { Tokenizer } from "../data/tokenizer.ts";
import type { ViltConfig } from "../vilt/config.ts";
import type { EncodedSample } from "./evaluation/context.ts";

export interface PairOptions {
  readonly config: ViltConfig;
  readonly tokenizer: Tokenizer;
  /** Cut a caption that is too long instead of refusing it. */
  readonly truncate: boolean;
}

/** An image file with a caption, as a model takes them. @throws {DataError} naming the file, or the caption and the limit */
export async function readPair(image: string, caption: string, options: PairOptions): Promise<EncodedSample> {
  const { config, tokenizer, truncate } = options;
  const encoding = tokenizer.encode(caption, { maxLength: config.maxTextLength, truncate });
  const size = { shorter: Math.min(...config.imageSize), divisor: config.patchSize };
  const prepared = prepareImage(await decodeImage(image), size);
  return { sample: { ...prepared, caption, picture: image, record: image }, encoding };
}
