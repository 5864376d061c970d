import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import sharp from "sharp";
import t from "tap";
import { denormalizeImage, normalizeImage, type RgbImage, resizeBicubic, resizedSize } from "../../src/data/image.ts";
import { decodeImage, encodePng } from "../../src/data/image-file.ts";

/** The picture of the fixtures in spec B: value = (37x + 59y + 83c + 11xy) mod 256. */
const fixture = (width: number, height: number): RgbImage => {
  const data = Uint8Array.from({ length: width * height * 3 }, (_, i) => {
    const [x, y, c] = [Math.floor(i / 3) % width, Math.floor(i / 3 / width), i % 3];
    return 37 * x + 59 * y + 83 * c + 11 * x * y;
  });
  return { data, width, height };
};

t.test("resize: sums and pixels that Pillow gives for a formula", async (t) => {
  const sums = [
    [4, 3, 4622],
    [16, 8, 49253],
    [10, 12, 46190],
  ] as const;
  for (const [width, height, sum] of sums)
    t.equal(
      resizeBicubic(fixture(10, 6), width, height).data.reduce((a, b) => a + b, 0),
      sum,
    );
  t.strictSame(
    [...resizeBicubic(fixture(10, 6), 4, 3).data.subarray(0, 12)].filter((_, i) => i % 3 === 0),
    [73, 155, 132, 113],
  );
});

t.test("sizes: the spec's examples, at least one patch", async (t) => {
  const examples = [
    [640, 480, 512, 384],
    [480, 640, 384, 512],
    [333, 500, 384, 576],
    [610, 384, 608, 384],
    [640, 384, 608, 352],
    [1920, 1080, 608, 352],
    [2000, 100, 608, 32],
    [20000, 1, 608, 32],
  ] as const;
  for (const [w, h, width, height] of examples)
    t.strictSame(resizedSize(w, h, { shorter: 384, divisor: 32 }), { width, height }, `${w}×${h}`);
  t.throws(() => resizedSize(0, 4, { shorter: 48, divisor: 12 }), { name: "ConfigError" });
});

t.test("the transform: a plain picture stays plain; bytes become −1 … 1 by planes and back", async (t) => {
  fc.assert(
    fc.property(
      fc.nat(255),
      fc.integer({ min: 1, max: 40 }),
      fc.integer({ min: 1, max: 40 }),
      fc.integer({ min: 1, max: 40 }),
      (value, w, h, n) => {
        const constant = { data: new Uint8Array(w * h * 3).fill(value), width: w, height: h };
        const resized = resizeBicubic(constant, n, 41 - n);
        return resized.data.length === n * (41 - n) * 3 && resized.data.every((v) => v === value);
      },
    ),
    { numRuns: 60 },
  );
  t.strictSame(
    [...normalizeImage({ data: Uint8Array.of(0, 255, 51), width: 1, height: 1 }).image],
    [-1, 1, Math.fround(-0.6)],
  );
  const bytes = fixture(5, 7);
  t.strictSame(denormalizeImage(normalizeImage(bytes)), bytes);
  t.strictSame(await decodeImage(await encodePng(bytes)), bytes);
});

t.test("decode: the three formats, grey, opacity, 16 bits, CMYK; and clear errors", async (t) => {
  const source = fixture(20, 12);
  const raw = () => sharp(source.data, { raw: { width: 20, height: 12, channels: 3 } });
  for (const encoded of [await raw().png().toBuffer(), await raw().webp({ lossless: true }).toBuffer()])
    t.strictSame(await decodeImage(encoded), source);
  const jpeg = await decodeImage(await raw().jpeg().toBuffer());
  t.strictSame([jpeg.width, jpeg.height, jpeg.data.length], [20, 12, 720]);
  const pixel = async (channels: 1 | 2 | 4, values: number[]) => [
    ...(
      await decodeImage(
        await sharp(Uint8Array.from(values), { raw: { width: 1, height: 1, channels } })
          .png()
          .toBuffer(),
      )
    ).data,
  ];
  t.strictSame(await pixel(1, [77]), [77, 77, 77]);
  t.strictSame(await pixel(2, [77, 0]), [255, 255, 255]);
  t.strictSame(await pixel(4, [200, 100, 0, 255]), [200, 100, 0]);
  t.strictSame(await pixel(4, [200, 100, 0, 0]), [255, 255, 255], "opacity is laid on white");
  const deep = await sharp({ create: { width: 2, height: 2, channels: 3, background: "#8000ff" } })
    .toColourspace("rgb16")
    .png()
    .toBuffer();
  t.strictSame([...(await decodeImage(deep)).data.subarray(0, 3)], [128, 0, 255]);
  const cmyk = await decodeImage(await raw().toColourspace("cmyk").jpeg().toBuffer());
  t.equal(cmyk.data.length, 720);

  const folder = await mkdtemp(join(tmpdir(), "viltgrad-"));
  t.teardown(() => rm(folder, { recursive: true }));
  const noise = Uint8Array.from({ length: 64 * 64 * 3 }, (_, i) => (i * 7919) % 251);
  const noisy = sharp(noise, { raw: { width: 64, height: 64, channels: 3 } });
  for (const format of ["png", "jpeg", "webp"] as const) {
    const whole = await noisy.clone().toFormat(format).toBuffer();
    const path = join(folder, `cut.${format}`);
    await writeFile(path, whole.subarray(0, whole.length / 2));
    await t.rejects(
      decodeImage(path),
      { name: "DataError", message: /cut\.\w+: expected a whole PNG, JPEG or WebP picture: / },
      format,
    );
  }
  await t.rejects(decodeImage(join(folder, "none.png")), { message: /none\.png: expected a whole PNG.*missing/ });
  await t.rejects(decodeImage(Buffer.from("hello"), "captions.jsonl, line 2"), {
    message: /captions\.jsonl, line 2: expected a whole/,
  });
  await t.rejects(decodeImage(await noisy.clone().toFormat("gif").toBuffer()), { message: /the format is gif/ });
});
