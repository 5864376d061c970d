import type { RgbImage } from "./image.ts";

/** Each channel stretched so that its least value becomes 0 and its greatest 255; a flat one stays. */
export function autoContrast(picture: RgbImage): RgbImage {
  return mapChannels(picture, (counts) => {
    const least = counts.findIndex((count) => count > 0);
    const greatest = counts.findLastIndex((count) => count > 0);
    if (greatest <= least) return identityTable;
    const scale = 255 / (greatest - least);
    const offset = -least * scale;
    return tableOf((value) => value * scale + offset);
  });
}

/** Each channel's values spread so that the picture has about as many of each. */
export function equalize(picture: RgbImage): RgbImage {
  return mapChannels(picture, (counts) => {
    const last = counts.findLast((count) => count > 0) ?? 0;
    const step = Math.floor((picture.width * picture.height - last) / 255);
    if (step === 0) return identityTable;
    let below = Math.floor(step / 2);
    return tableOf((value) => {
      const spread = Math.floor(below / step);
      below += counts[value]!;
      return spread;
    });
  });
}

/** Keeps the ⌊bits⌋ highest bits of each value, one at least. */
export function posterize(picture: RgbImage, bits: number): RgbImage {
  const kept = Math.min(Math.max(Math.floor(bits), 1), 8);
  const mask = 256 - 2 ** (8 - kept);
  return mapValues(picture, (value) => value & mask);
}

/** 255 − value from the threshold on. */
export function solarize(picture: RgbImage, threshold: number): RgbImage {
  return mapValues(picture, (value) => (value < threshold ? value : 255 - value));
}

/** Adds to every value, then inverts what has become 128 or more. */
export function solarizeAdd(picture: RgbImage, addition: number): RgbImage {
  return mapValues(picture, (value) => {
    const sum = clip8(value + addition);
    return sum < 128 ? sum : 255 - sum;
  });
}

/** The negative of a picture. RandAugment knows it, ViLT's lists leave it out: captions name colours. */
export function invert(picture: RgbImage): RgbImage {
  return mapValues(picture, (value) => 255 - value);
}

/** From grey (0) over the picture itself (1) to louder colours. */
export function color(picture: RgbImage, factor: number): RgbImage {
  const grey = greyOf(picture);
  return blend(picture, factor, (i) => grey[Math.floor(i / 3)]!);
}

/** From one grey, the mean of the picture's, over the picture itself (1) to more contrast. */
export function contrast(picture: RgbImage, factor: number): RgbImage {
  const grey = greyOf(picture);
  const mean = Math.floor(grey.reduce((sum, value) => sum + value, 0) / grey.length + 0.5);
  return blend(picture, factor, () => mean);
}

/** From black (0) over the picture itself (1) to brighter. */
export function brightness(picture: RgbImage, factor: number): RgbImage {
  return blend(picture, factor, () => 0);
}

/** From smoothed (0) over the picture itself (1) to sharper. */
export function sharpness(picture: RgbImage, factor: number): RgbImage {
  const smoothed = smooth(picture);
  return blend(picture, factor, (i) => smoothed[i]!);
}

type Table = Uint8Array;
const tableOf = (map: (value: number) => number): Table =>
  Uint8Array.from({ length: 256 }, (_, value) => clip8(map(value)));
const identityTable = tableOf((value) => value);

function clip8(value: number): number {
  return Math.min(Math.max(Math.trunc(value), 0), 255);
}

function mapValues(picture: RgbImage, map: (value: number) => number): RgbImage {
  const table = tableOf(map);
  return { ...picture, data: picture.data.map((value) => table[value]!) };
}

/** Each channel through a table that is made of how often it has each value. */
function mapChannels(picture: RgbImage, tableOfCounts: (counts: readonly number[]) => Table): RgbImage {
  const tables = [0, 1, 2].map((channel) => {
    const counts = new Array<number>(256).fill(0);
    for (let i = channel; i < picture.data.length; i += 3) counts[picture.data[i]!]!++;
    return tableOfCounts(counts);
  });
  return { ...picture, data: picture.data.map((value, i) => tables[i % 3]![value]!) };
}

/** ITU-R 601 luma of each pixel in 16-bit fixed point, as Pillow converts to "L". */
function greyOf({ data }: RgbImage): Uint8Array {
  return Uint8Array.from(
    { length: data.length / 3 },
    (_, i) => (19595 * data[3 * i]! + 38470 * data[3 * i + 1]! + 7471 * data[3 * i + 2]! + 32768) >> 16,
  );
}

/** base + factor · (value − base), computed in float32 as Pillow's `ImagingBlend` does, clipped and cut to whole numbers. */
function blend(picture: RgbImage, factor: number, baseAt: (i: number) => number): RgbImage {
  const [f, { fround }] = [Math.fround(factor), Math];
  const data = picture.data.map((value, i) => {
    const base = baseAt(i);
    return clip8(fround(base + fround(f * (value - base))));
  });
  return { ...picture, data };
}

/** The mean of the 3 × 3 neighbourhood, the centre counted five times, rounded; the border stays as it is. */
function smooth({ data, width, height }: RgbImage): Uint8Array {
  const out = Uint8Array.from(data);
  const line = 3 * width;
  for (let y = 1; y < height - 1; y++)
    for (let i = y * line + 3; i < (y + 1) * line - 3; i++) {
      let sum = 4 * data[i]!;
      for (const row of [i - line, i, i + line]) sum += data[row - 3]! + data[row]! + data[row + 3]!;
      out[i] = Math.floor(sum / 13 + 0.5);
    }
  return out;
}
