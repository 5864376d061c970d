import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import t from "tap";
import { trainingOrder } from "../../src/data/dataset.ts";
import { FolderImages } from "../../src/data/folder/captions.ts";
import { Rng } from "../../src/tensor/rng.ts";

const size = { shorter: 16, divisor: 8 };
const folder = await mkdtemp(join(tmpdir(), "viltgrad-"));
t.teardown(() => rm(folder, { recursive: true }));
await mkdir(join(folder, "val"));
const paint = (name: string, width: number, background: string) =>
  sharp({ create: { width, height: 20, channels: 3, background } }).toFile(join(folder, name));
for (let i = 0; i < 40; i++) await paint(`${i}.png`, 20 + i, "#ff0000");
await paint("val/blue.webp", 20, "#0000ff");
await writeFile(
  join(folder, "broken.png"),
  (
    await sharp({ create: { width: 9, height: 9, channels: 3, background: "red" } })
      .png()
      .toBuffer()
  ).subarray(0, 50),
);

const file = join(folder, "captions.jsonl");
const open = async (lines: readonly (string | object)[], path = file) => {
  await writeFile(path, lines.map((line) => (typeof line === "string" ? line : JSON.stringify(line))).join("\n"));
  return FolderImages.open(path, size);
};
const all = Array.from({ length: 40 }, (_, i) => [
  { image: `${i}.png`, caption: `red ${i}` },
  { image: `${i}.png`, caption: "again" },
]).flat();

t.test("JSON lines: samples, sizes, splits by picture", async (t) => {
  const data = await open(all);
  t.equal(data.size("train") + data.size("validation"), 80);
  t.ok(data.size("validation") >= 2 && data.size("validation") <= 20);
  const pictures = async (split: string) => {
    const samples = await Promise.all(Array.from({ length: data.size(split) }, (_, i) => data.sample(split, i)));
    return new Set(samples.map(({ picture }) => picture));
  };
  const [train, validation] = [await pictures("train"), await pictures("validation")];
  t.equal(train.size + validation.size, 40, "captions of a picture stay together");
  t.strictSame(await pictures("train"), new Set([...train]), "read again, the same");
  const { image, height, width, caption, record } = await data.sample("train", 0);
  t.strictSame([height, width % 8, image.length], [16, 0, 3 * height * width]);
  t.ok(
    image.subarray(0, height * width).every((v) => v === 1) && image.subarray(height * width).every((v) => v === -1),
  );
  t.match(caption, /^(red \d+|again)$/);
  t.match(record, /captions\.jsonl, line \d+$/);
  const opened = await FolderImages.open(folder, size);
  t.strictSame(
    (await opened.sample("train", 1)).caption,
    (await data.sample("train", 1)).caption,
    "a folder finds its file",
  );
  const fixed = await open([
    ...all.slice(0, 3).map((line) => ({ ...line, split: "val" })),
    "",
    { ...all[4], split: "test" },
  ]);
  t.strictSame(fixed.splits, ["train", "validation", "test"]);
  t.strictSame(
    fixed.splits.map((split) => fixed.size(split)),
    [0, 3, 1],
  );
  t.ok(data.vocabulary(60).includes("again"));
  t.throws(() => data.size("dev"), { message: /no split "dev"; there are train, validation/ });
  await t.rejects(data.sample("train", 999), { message: /no sample 999 in split "train"; it has \d+/ });
});

t.test("Karpathy's JSON: splits, file paths, several captions, pretty-printed or not", async (t) => {
  const images = [
    { filename: "0.png", split: "restval", sentences: [{ raw: "Red." }, { raw: "Quite red." }, { raw: "Red." }] },
    {
      filename: "blue.webp",
      filepath: "val",
      split: "val",
      sentences: [{ raw: "Blue.", tokens: ["blue"] }],
      cocoid: 5,
    },
  ];
  for (const indent of [0, 1]) {
    const data = await open([JSON.stringify({ dataset: "coco", images }, null, indent)], join(folder, "dataset.json"));
    t.strictSame([data.size("train"), data.size("validation")], [2, 1], "a repeated caption counts once");
    const { caption, image, picture } = await data.sample("validation", 0);
    t.strictSame([caption, Math.round(image[0]!), image.at(-1), picture], ["Blue.", -1, 1, "val/blue.webp"]);
  }
  const bad = (change: object) =>
    open([{ images: [images[0]!, { ...images[1], ...change }] }], join(folder, "dataset.json"));
  await t.rejects(bad({ sentences: [] }), { name: "DataError", message: /dataset\.json, images\[1\]: sentences: / });
  await t.rejects(bad({ filename: 7 }), { message: /images\[1\]: filename: .*expected string/ });
  await t.rejects(bad({ sentences: [{ raw: " " }] }), { message: /images\[1\]: the caption is empty/ });
  await t.rejects(open(['{"images": [', "{},", "oops", "]}"], join(folder, "dataset.json")), {
    message: /dataset\.json, line 3: not JSON/,
  });
});

t.test("bad lines: one line that names file, line and fault", async (t) => {
  const good = { image: "0.png", caption: "red" };
  const cases: [string | object, RegExp][] = [
    ['{"image": "0.png", ', /line 2: not JSON/],
    ['"red"', /line 2: .*expected object/],
    [{ image: "0.png" }, /line 2: caption: .*expected string/],
    [{ image: 3, caption: "red" }, /line 2: image: .*expected string, received number/],
    [{ image: "0.png", caption: " \u00a0" }, /line 2: the caption is empty/],
    [{ image: "none.png", caption: "red" }, /line 2: there is no image file .*none\.png/],
    [{ image: "val", caption: "red" }, /line 2: there is no image file/],
    [{ image: "../0.png", caption: "red" }, /line 2: the image "\.\.\/0\.png" lies outside/],
    [{ image: "/etc/hostname", caption: "red" }, /line 2: the image "\/etc\/hostname" lies outside/],
  ];
  for (const [line, message] of cases) {
    const error = await open([good, line, good]).then(
      () => t.fail(`${line} was taken`),
      (e: Error) => e,
    );
    t.match(error, { name: "DataError", message });
    t.ok((error as Error).message.startsWith(file) && !(error as Error).message.includes("\n"));
  }
  await t.rejects(open([]), { message: /captions\.jsonl: there are no captions/ });
  await t.rejects(FolderImages.open(join(folder, "val"), size), {
    message: /expected a captions file, or a folder with captions\.jsonl/,
  });
  const broken = await open([{ image: "broken.png", caption: "x", split: "train" }]);
  await t.rejects(broken.sample("train", 0), {
    name: "DataError",
    message: /captions\.jsonl, line 1: .*broken\.png: expected a whole PNG/,
  });
  t.ok((await readdir(folder)).length, "nothing was removed");
});

t.test("trainingOrder: every sample once an epoch, in an order that the position alone decides", async (t) => {
  const order = trainingOrder(7, new Rng(1));
  const run = Array.from({ length: 21 }, (_, position) => order(position));
  for (const epoch of [0, 1, 2]) t.strictSame(run.slice(7 * epoch, 7 * epoch + 7).sort(), [0, 1, 2, 3, 4, 5, 6]);
  t.notSame(run.slice(0, 7), run.slice(7, 14));
  const resumed = trainingOrder(7, new Rng(1));
  t.strictSame(
    [20, 3, 13].map(resumed),
    [20, 3, 13].map((position) => run[position]),
  );
  t.equal(trainingOrder(Infinity, new Rng(1))(12345), 12345);
  t.throws(() => trainingOrder(0, new Rng(1))(0), { message: /the training split is empty/ });
});
