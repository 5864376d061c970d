import { fromArray } from "../../src/tensor/create.ts";
import { parseViltConfig } from "../../src/vilt/config.ts";
import type { ViltInput } from "../../src/vilt/model.ts";
import { exact } from "../support.ts";

/** A model of two layers for images of 2×3 patches. */
export const config = parseViltConfig({
  hiddenSize: 12,
  numLayers: 2,
  numHeads: 3,
  vocabularySize: 11,
  maxTextLength: 6,
  imageSize: [4, 6],
  patchSize: 2,
  initializer: "fanIn",
});

/** Two texts of 5 and 3 tokens, and images of 2×3 and 1×2 patches in a canvas of `rows`×`columns` of them. */
export function input(pad = { id: 0, pixel: 0 }, [T, rows, columns] = [5, 2, 3]): ViltInput {
  const ids = new Int32Array(2 * T).fill(pad.id);
  const textMask = new Int32Array(2 * T);
  for (const [b, words] of [
    [2, 5, 6, 7, 3],
    [2, 9, 3],
  ].entries()) {
    ids.set(words, b * T);
    textMask.fill(1, b * T, b * T + words.length);
  }
  const [H, W] = [rows * 2, columns * 2];
  const pixelMask = Uint8Array.from({ length: 2 * H * W }, (_, k) => {
    const [b, y, x] = [Math.floor(k / (H * W)), Math.floor(k / W) % H, k % W];
    return y < (b ? 2 : 4) && x < (b ? 4 : 6) ? 1 : 0;
  });
  const pixels = Float64Array.from({ length: 2 * 3 * H * W }, (_, k) => {
    const [b, c, y, x] = [Math.floor(k / (3 * H * W)), Math.floor(k / (H * W)) % 3, Math.floor(k / W) % H, k % W];
    return pixelMask[(b * H + y) * W + x] ? Math.sin(1 + 5 * b + 3 * c + 2 * y + x) : pad.pixel;
  });
  return { ids, textMask, pixelValues: fromArray(pixels, [2, 3, H, W], exact), pixelMask };
}
