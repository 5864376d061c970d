import { IGNORED } from "../data/masking.ts";
import type { Rng } from "../tensor/rng.ts";
import type { ViltConfig } from "../vilt/config.ts";
import type { HostBatch } from "./batches.ts";

/** Ids of the special tokens in small vocabularies. */
const [CLS, SEP, MASK, FIRST_WORD] = [2, 3, 4, 5];

/** A batch of noise to time by: full-length texts, a seventh of the tokens masked, half of the pairs matched. */
export function syntheticBatch(config: ViltConfig, batchSize: number, rng: Rng): HostBatch {
  const texts = syntheticTexts(config, batchSize, rng);
  const [height, width] = config.imageSize;
  const images = () => ({
    pixelValues: Float32Array.from({ length: batchSize * 3 * height * width }, () => rng.uniform(-1, 1)),
    pixelMask: new Int32Array(batchSize * height * width).fill(1),
    isPadded: false,
    ...{ size: batchSize, height, width },
  });
  return { ...texts, images: images(), matchingImages: images() };
}

/** The part of such a batch that is not pixels. */
export function syntheticTexts(
  { vocabularySize, maxTextLength: T }: ViltConfig,
  batchSize: number,
  rng: Rng,
): Omit<HostBatch, "images" | "matchingImages"> {
  const ids = Int32Array.from({ length: batchSize * T }, (_, k) => {
    if (k % T === 0) return CLS;
    return k % T === T - 1 ? SEP : FIRST_WORD + rng.int(vocabularySize - FIRST_WORD);
  });
  const maskedLabels = ids.map((id, k) => (id >= FIRST_WORD && k % 7 === 3 ? id : IGNORED));
  return {
    texts: { ids, textMask: new Int32Array(batchSize * T).fill(1) },
    maskedIds: ids.map((id, k) => (maskedLabels[k] === IGNORED ? id : MASK)),
    maskedLabels,
    matchingLabels: Int32Array.from({ length: batchSize }, (_, b) => (b < batchSize / 2 ? 1 : 0)),
  };
}
