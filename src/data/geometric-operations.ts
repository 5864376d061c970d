import type { RgbImage } from "./image.ts";

/** Output pixel (x, y) shows what stands at (a x + b y + c, d x + e y + f), as [a, b, c, d, e, f]. */
type Affine = readonly [number, number, number, number, number, number];

/** Turns the picture about its centre by so many degrees, counter-clockwise; between −90 and 90. */
export function rotate(picture: RgbImage, degrees: number): RgbImage {
  // Pillow turns −9° into 351° before it takes the cosine, and rounds that to 15 digits.
  const angle = -((degrees + (degrees < 0 ? 360 : 0)) * (Math.PI / 180));
  const [cos, sin] = [Math.cos(angle), Math.sin(angle)].map((value) => Number(value.toFixed(15))) as [number, number];
  const [x, y] = [picture.width / 2, picture.height / 2];
  return transform(picture, [cos, sin, cos * -x + sin * -y + x, -sin, cos, -sin * -x + cos * -y + y]);
}

/** Slants vertical lines: row y is read from x + slope · y. */
export function shearX(picture: RgbImage, slope: number): RgbImage {
  return transform(picture, [1, slope, 0, 0, 1, 0]);
}

/** Slants horizontal lines: column x is read from y + slope · x. */
export function shearY(picture: RgbImage, slope: number): RgbImage {
  return transform(picture, [1, 0, 0, slope, 1, 0]);
}

/** Reads each pixel from `shift` pixels further right: a positive shift moves the picture to the left. */
export function translateX(picture: RgbImage, shift: number): RgbImage {
  return copyPixels(picture, (x, y) => [Math.floor(x + 0.5 + shift), y]);
}

/** Reads each pixel from `shift` pixels further down: a positive shift moves the picture up. */
export function translateY(picture: RgbImage, shift: number): RgbImage {
  return copyPixels(picture, (x, y) => [x, Math.floor(y + 0.5 + shift)]);
}

/** Left and right exchanged. RandAugment knows it, ViLT's lists leave it out. */
export function mirror(picture: RgbImage): RgbImage {
  return copyPixels(picture, (x, y) => [picture.width - 1 - x, y]);
}

/**
 * An affine map, sampled at pixel centres without interpolation, black outside. Positions are whole multiples of 2⁻¹⁶,
 * stepped from pixel to pixel, as in Pillow (`affine_fixed`): near an edge between two pixels that decides which one is
 * taken.
 */
function transform(picture: RgbImage, [a, b, c, d, e, f]: Affine): RgbImage {
  const fix = (value: number) => Math.floor(value * 65536 + 0.5);
  const [stepsX, stepsY] = [
    [fix(a), fix(b), fix(c + a * 0.5 + b * 0.5)],
    [fix(d), fix(e), fix(f + d * 0.5 + e * 0.5)],
  ] as [[number, number, number], [number, number, number]];
  const at = ([byX, byY, start]: [number, number, number], x: number, y: number) =>
    Math.floor((start + byX * x + byY * y) / 65536);
  return copyPixels(picture, (x, y) => [at(stepsX, x, y), at(stepsY, x, y)]);
}

/** The picture of the same size with each pixel taken from where `source` says, black where that lies outside. */
function copyPixels(
  { data, width, height }: RgbImage,
  source: (x: number, y: number) => readonly [number, number],
): RgbImage {
  const out = new Uint8Array(data.length);
  for (let y = 0, to = 0; y < height; y++)
    for (let x = 0; x < width; x++, to += 3) {
      const [fromX, fromY] = source(x, y);
      if (fromX < 0 || fromX >= width || fromY < 0 || fromY >= height) continue;
      const from = 3 * (fromY * width + fromX);
      for (let c = 0; c < 3; c++) out[to + c] = data[from + c]!;
    }
  return { data: out, width, height };
}
