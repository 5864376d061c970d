import { readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import sharp from "sharp";
import t from "tap";
import { normalizeImage, prepareImage, type RgbImage, resizeBicubic, resizedSize } from "../../src/data/image.ts";
import { decodeImage } from "../../src/data/image-file.ts";

/** Recorded from the original's MinMaxResize and Pillow 9.4.0, as `resize.json` says. */
const file = readFileSync(new URL("../golden/resize.safetensors", import.meta.url));
const headerLength = Number(file.readBigUInt64LE(0));
const header = JSON.parse(file.toString("utf8", 8, 8 + headerLength)) as Record<
  string,
  { shape: number[]; data_offsets: [number, number] }
>;
const bytes = (name: string) =>
  file.subarray(...(header[name]!.data_offsets.map((at) => at + 8 + headerLength) as [number, number]));
const picture = (name: string): RgbImage => {
  const [height, width] = header[name]!.shape as [number, number];
  return { data: new Uint8Array(bytes(name)), width, height };
};
/** The picture of the fixtures in spec B: value = (37x + 59y + 83c + 11xy) mod 256. */
const fixture = (width: number, height: number): RgbImage => {
  const data = Uint8Array.from({ length: width * height * 3 }, (_, i) => {
    const [x, y, c] = [Math.floor(i / 3) % width, Math.floor(i / 3 / width), i % 3];
    return 37 * x + 59 * y + 83 * c + 11 * x * y;
  });
  return { data, width, height };
};

t.test("resize: Pillow's bicubic, bit for bit", async (t) => {
  for (const name of ["bicubic0", "bicubic1", "bicubic2", "raw0", "raw1"]) {
    const expected = picture(`${name}/out`);
    const { data } = resizeBicubic(picture(`${name}/in`), expected.width, expected.height);
    t.equal(Buffer.compare(data, expected.data), 0, name);
  }
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

t.test("sizes: the original's rule for a table of sizes, the spec's examples, at least one patch", async (t) => {
  const table = bytes("size_table");
  for (let row = 0; row < header.size_table!.shape[0]!; row++) {
    const [shorter, longer, width, height, newWidth, newHeight] = [0, 1, 2, 3, 4, 5].map((i) =>
      table.readInt32LE(4 * (6 * row + i)),
    ) as [number, number, number, number, number, number];
    t.equal(longer, Math.floor((1333 / 800) * shorter));
    const expected = { width: Math.max(newWidth, 32), height: Math.max(newHeight, 32) };
    t.strictSame(resizedSize(width, height, { shorter, divisor: 32 }), expected, `${width}×${height} to ${shorter}`);
  }
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

t.test("the whole transform: resize, then −1 … 1 by planes", async (t) => {
  const input = picture("pixelbert/in");
  const { image, width, height } = prepareImage(input, { shorter: 64, divisor: 32 });
  t.strictSame([3, height, width], header["pixelbert/out"]!.shape);
  const expected = bytes("pixelbert/out");
  t.ok(image.every((value, i) => Math.abs(value - expected.readFloatLE(4 * i)) <= 1e-6));
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
