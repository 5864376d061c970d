import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import t from "tap";
import { invert } from "../src/data/color-operations.ts";
import { decodeImage } from "../src/data/image-file.ts";
import { augmentOperations } from "../src/data/rand-augment.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
if (!existsSync(path.join(root, "dist/index.js"))) throw new Error("dist is missing: npm install or npm run build");

/** Runs an example as a user does, without the loaders that the test runner gives to all children. */
function example(name: string, ...args: string[]): { status: number | null; stdout: string; stderr: string } {
  const file = path.join(root, "examples", name);
  return spawnSync("env", ["NODE_OPTIONS=", process.execPath, file, ...args], { cwd: root, encoding: "utf8" });
}

t.test("whole-word-masking: the lines of the lecture, then those of other words", async (t) => {
  const { status, stdout, stderr } = example("whole-word-masking.mjs");
  t.equal(status, 0, stderr);
  t.strictSame(stdout.split("\n"), [
    "[Original Sentence]",
    "使用语言模型来预测下一个词的probability。",
    "[Original Sentence with CWS]",
    "使用 语言 模型 来 预测 下 一个 词 的 probability 。",
    "[Original BERT Input]",
    "使 用 语 言 [MASK] 型 来 [MASK] 测 下 一 个 词 的 pro [MASK] ##lity 。",
    "[Whole Word Masking Input]",
    "使 用 语 言 [MASK] [MASK] 来 [MASK] [MASK] 下 一 个 词 的 [MASK] [MASK] [MASK] 。",
    "",
  ]);
  const other = example("whole-word-masking.mjs", "语言", "probability").stdout.split("\n");
  t.equal(other[5], "使 用 [MASK] 言 模 型 来 预 测 下 一 个 词 的 pro [MASK] ##lity 。");
  t.equal(other[7], "使 用 [MASK] [MASK] 模 型 来 预 测 下 一 个 词 的 [MASK] [MASK] [MASK] 。");
  const wrong = example("whole-word-masking.mjs", "猫");
  t.not(wrong.status, 0);
  t.match(wrong.stderr, /"猫" is none of the words/);
});

t.test("rand-augment-gallery: every operation at five magnitudes, and the apple that is red no more", async (t) => {
  const folder = t.testdir({});
  const { status, stdout, stderr } = example("rand-augment-gallery.mjs", folder);
  t.equal(status, 0, stderr);
  const files = ["rand-augment.svg", "rand-augment.png"].map((name) => path.join(folder, name));
  t.strictSame(stdout.trim().split("\n"), files);
  t.strictSame(readdirSync(folder).sort(), ["rand-augment.png", "rand-augment.svg"]);
  const svg = readFileSync(files[0]!, "utf8");
  const names = Object.keys(augmentOperations);
  for (const name of names) t.ok(svg.includes(`>${name}</text>`), name);
  for (const magnitude of [3, 9, 15, 21, 27]) t.equal(svg.split(`>M = ${magnitude}</text>`).length, 3);
  const encoded = [...svg.matchAll(/href="data:image\/png;base64,([^"]+)"/g)].map((match) => match[1]!);
  t.equal(encoded.length, 5 * names.length + 4);
  const picture = (i: number) => decodeImage(Buffer.from(encoded[i]!, "base64"));
  const apple = svg.search(/>a <tspan[^>]*>red<\/tspan> apple</);
  t.ok(apple > 0 && svg.indexOf("inversion") < apple, "the caption, with the word");
  t.strictSame(await picture(5 * names.length + 1), invert(await picture(5 * names.length)));
  const identity = await picture(0);
  t.strictSame(await picture(4), identity, "Identity comes first");
  t.strictSame(await picture(5), augmentOperations.AutoContrast.apply(identity, 0), "then AutoContrast");
  const { width, height } = await decodeImage(files[1]!);
  t.ok(width > 1000 && height > 1000);
});
