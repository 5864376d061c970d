import { ConfigError } from "../tensor/errors.ts";

/** An 8-bit picture: `data` [height, width, 3], as decoders give it. */
export interface RgbImage {
  readonly data: Uint8Array;
  readonly width: number;
  readonly height: number;
}

/** A picture as the model takes it: `image` [3, height, width] in [−1, 1]. */
export interface PlanarImage {
  readonly image: Float32Array;
  readonly width: number;
  readonly height: number;
}

/**
 * ViLT's size rule: the shorter side becomes `shorter`, the longer at most ⌊1333/800 · shorter⌋, both rounded half up,
 * then cut down to a multiple of `divisor`; a side that would vanish keeps one patch (the original breaks there).
 */
export function resizedSize(
  width: number,
  height: number,
  { shorter, divisor }: { shorter: number; divisor: number },
): { width: number; height: number } {
  if (!(width >= 1 && height >= 1 && shorter >= 1 && divisor >= 1))
    throw new ConfigError(`resizedSize: ${width}×${height} to ${shorter} by ${divisor}: all must be 1 or more`);
  const longest = Math.floor((1333 / 800) * shorter);
  const scale = shorter / Math.min(width, height);
  let [newHeight, newWidth] = height < width ? [shorter, scale * width] : [scale * height, shorter];
  if (Math.max(newHeight, newWidth) > longest) {
    const shrink = longest / Math.max(newHeight, newWidth);
    [newHeight, newWidth] = [newHeight * shrink, newWidth * shrink];
  }
  const fit = (side: number) => Math.max(Math.floor(Math.floor(side + 0.5) / divisor), 1) * divisor;
  return { width: fit(newWidth), height: fit(newHeight) };
}

/** Weights of the input samples `first`, `first` + 1, … of one output sample, as whole multiples of 2⁻²². */
interface Taps {
  readonly first: number;
  readonly weights: Int32Array;
}

const PRECISION = 22;

/** Keys's cubic kernel with a = −0.5, which Pillow calls BICUBIC. */
function cubic(x: number): number {
  const d = Math.abs(x);
  if (d < 1) return (1.5 * d - 2.5) * d * d + 1;
  return d < 2 ? (((d - 5) * d + 8) * d - 4) * -0.5 : 0;
}

/** The taps of each output sample of one axis; when shrinking, the kernel is stretched so that every input counts. */
function bicubicTaps(from: number, to: number): Taps[] {
  const scale = from / to;
  const stretch = Math.max(scale, 1);
  return Array.from({ length: to }, (_, i) => {
    const centre = (i + 0.5) * scale;
    const first = Math.max(0, Math.trunc(centre - 2 * stretch + 0.5));
    const end = Math.min(from, Math.trunc(centre + 2 * stretch + 0.5));
    const exact = Array.from({ length: end - first }, (_, k) => cubic((k + first - centre + 0.5) / stretch));
    const total = exact.reduce((sum, weight) => sum + weight, 0);
    const weights = exact.map((weight) => {
      const fixed = (weight / total) * 2 ** PRECISION;
      return fixed < 0 ? Math.trunc(fixed - 0.5) : Math.trunc(fixed + 0.5);
    });
    return { first, weights: Int32Array.from(weights) };
  });
}

/**
 * Bicubic resize equal to Pillow's to the last bit: fixed-point weights, first along the rows to 8 bits, then along the
 * columns (Pillow 9.4, `ImagingResample`).
 */
export function resizeBicubic({ data, width, height }: RgbImage, newWidth: number, newHeight: number): RgbImage {
  const wide =
    newWidth === width ? data : resample(data, bicubicTaps(width, newWidth), height, { line: width * 3, step: 3 });
  const whole =
    newHeight === height
      ? wide
      : resample(wide, bicubicTaps(height, newHeight), newWidth, { line: 3, step: newWidth * 3 });
  return { data: whole, width: newWidth, height: newHeight };
}

/**
 * Filters `lines` lines of RGB samples; of the input, `line` is the distance between the starts of two lines and `step`
 * that between two samples of a line. One of the two is 3, in the output as in the input.
 */
function resample(
  data: Uint8Array,
  taps: readonly Taps[],
  lines: number,
  { line, step }: { line: number; step: number },
): Uint8Array {
  const out = new Uint8Array(lines * taps.length * 3);
  const [outLine, outStep] = step === 3 ? [taps.length * 3, 3] : [3, step];
  const half = 1 << (PRECISION - 1);
  for (const [i, { first, weights }] of taps.entries())
    for (let at = 0; at < lines; at++) {
      let [red, green, blue] = [half, half, half]; // the kernel's overshoot leaves them within 32 bits
      for (let k = 0, from = at * line + first * step; k < weights.length; k++, from += step) {
        red += weights[k]! * data[from]!;
        green += weights[k]! * data[from + 1]!;
        blue += weights[k]! * data[from + 2]!;
      }
      const to = at * outLine + i * outStep;
      out[to] = clip8(red >> PRECISION);
      out[to + 1] = clip8(green >> PRECISION);
      out[to + 2] = clip8(blue >> PRECISION);
    }
  return out;
}

function clip8(value: number): number {
  return Math.min(Math.max(value, 0), 255);
}

/** [height, width, 3] of 0…255 → [3, height, width] of (value/255 − 0.5)/0.5. */
export function normalizeImage({ data, width, height }: RgbImage): PlanarImage {
  const area = width * height;
  const image = new Float32Array(3 * area);
  for (let c = 0; c < 3; c++) for (let i = 0; i < area; i++) image[c * area + i] = (data[3 * i + c]! / 255 - 0.5) / 0.5;
  return { image, width, height };
}

/** The 8-bit picture that `normalizeImage` makes the numbers of. */
export function denormalizeImage({ image, width, height }: PlanarImage): RgbImage {
  const area = width * height;
  const data = new Uint8Array(3 * area);
  for (let c = 0; c < 3; c++)
    for (let i = 0; i < area; i++) data[3 * i + c] = clip8(Math.round((image[c * area + i]! * 0.5 + 0.5) * 255));
  return { data, width, height };
}

/** The whole transform of a decoded picture: ViLT's size, bicubic, normalised. */
export function prepareImage(picture: RgbImage, size: { shorter: number; divisor: number }): PlanarImage {
  const { width, height } = resizedSize(picture.width, picture.height, size);
  return normalizeImage(resizeBicubic(picture, width, height));
}
