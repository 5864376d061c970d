import * as z from "zod/mini";
import { prepareImage, type RgbImage, resizeBicubic, resizedSize } from "../../../data/image.ts";
import { DataError } from "../../../tensor/errors.ts";
import type { Check, Claim, Claims } from "../comparison.ts";
import type { GoldenCase } from "../golden-case.ts";

const schema = z.looseObject({ pixelbert: z.object({ size: z.number() }) });
const DIVISOR = 32;

/** The original's table of sizes, Pillow's bicubic resize, and the whole transform of a picture. */
export function verifyResize(golden: GoldenCase): Claims {
  const { pixelbert } = golden.read(schema);
  const names = [...golden.tensors.keys()];
  const resized = names.filter((name) => /^(bicubic|raw)\d+\/out$/.test(name));
  const prepared = prepareImage(picture(golden, "pixelbert/in"), { shorter: pixelbert.size, divisor: DIVISOR });
  return {
    claims: [
      ...resized.map((name) => resizeClaim(golden, name)),
      {
        name: "pixelbert/out",
        value: { shape: [3, prepared.height, prepared.width], data: prepared.image },
        tolerance: { atol: 1e-6, rtol: 0 },
      },
    ],
    checks: sizeChecks(golden),
    inputs: [...names.filter((name) => name.endsWith("/in")), "size_table"],
  };
}

/** A recorded picture of bytes, [height, width, 3]. */
export function picture(golden: GoldenCase, name: string): RgbImage {
  const { shape, data } = golden.entry(name);
  const [height, width] = shape as [number, number, number];
  if (!(data instanceof Uint8Array)) throw new DataError(`${golden.name}: ${name} does not hold bytes`);
  return { data, width, height };
}

function resizeClaim(golden: GoldenCase, name: string): Claim {
  const [height, width] = golden.entry(name).shape as [number, number, number];
  const { data } = resizeBicubic(picture(golden, name.replace("/out", "/in")), width, height);
  return { name, value: { shape: [height, width, 3], data }, tolerance: { atol: 0, rtol: 0 } };
}

/** The original lets a side vanish; one patch of it is kept here. */
function sizeChecks(golden: GoldenCase): Check[] {
  const table = golden.integers("size_table");
  return Array.from({ length: table.length / 6 }, (_, row) => {
    const [shorter, , width, height, newWidth, newHeight] = [...table.subarray(6 * row, 6 * row + 6)];
    const size = resizedSize(width!, height!, { shorter: shorter!, divisor: DIVISOR });
    return {
      name: `size of ${width}×${height} at ${shorter}`,
      actual: [size.width, size.height],
      expected: [Math.max(newWidth!, DIVISOR), Math.max(newHeight!, DIVISOR)],
    };
  });
}
