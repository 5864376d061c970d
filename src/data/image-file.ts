import { DataError } from "../tensor/errors.ts";
import type { RgbImage } from "./image.ts";

/**
 * Reads a PNG, JPEG or WebP file, or the bytes of one. Grey and CMYK become RGB, opacity is laid on white, of an
 * animation the first frame is taken, and an orientation note is not followed (nor does the original).
 *
 * @param name what an error message calls the picture; the path when not said
 * @throws {DataError} when it cannot be read, is cut short, or is not one of the three formats
 */
export async function decodeImage(source: string | Uint8Array, name?: string): Promise<RgbImage> {
  const label = name ?? (typeof source === "string" ? source : "image");
  const { default: sharp } = await import("sharp");
  try {
    const picture = sharp(source, { failOn: "error" });
    const { format } = await picture.metadata();
    if (!["png", "jpeg", "webp"].includes(format ?? "")) throw new Error(`the format is ${format ?? "unknown"}`);
    const { data, info } = await picture
      .flatten({ background: "#fff" })
      .toColourspace("srgb")
      .raw({ depth: "uchar" })
      .toBuffer({ resolveWithObject: true });
    return { data: toRgb(data, info.channels), width: info.width, height: info.height };
  } catch (cause) {
    const reason = String((cause as Error).message)
      .replace(/\s+/g, " ")
      .trim();
    throw new DataError(`${label}: expected a whole PNG, JPEG or WebP picture: ${reason}`, { cause });
  }
}

function toRgb(data: Uint8Array, channels: number): Uint8Array {
  if (channels === 3) return new Uint8Array(data.buffer, data.byteOffset, data.length);
  const rgb = new Uint8Array((data.length / channels) * 3);
  for (let i = 0, j = 0; i < data.length; i += channels, j += 3)
    for (let c = 0; c < 3; c++) rgb[j + c] = data[i + (channels < 3 ? 0 : c)]!;
  return rgb;
}

/** The picture as the bytes of a PNG file. */
export async function encodePng({ data, width, height }: RgbImage): Promise<Uint8Array> {
  const { default: sharp } = await import("sharp");
  return sharp(data, { raw: { width, height, channels: 3 } })
    .png()
    .toBuffer();
}
