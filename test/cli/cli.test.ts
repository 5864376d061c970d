import { createHash } from "node:crypto";
import { cpSync, existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { Resvg } from "@resvg/resvg-js";
import sharp from "sharp";
import t, { type Test } from "tap";
import { parseSafetensors, parseSafetensorsHeader, serializeSafetensors } from "../../src/data/safetensors.ts";
import { commandIn, jsonOf } from "./support.ts";

const golden = fileURLToPath(new URL("../golden", import.meta.url));

const folder = t.testdir();
const at = (...names: string[]) => path.join(folder, ...names);
const viltgrad = commandIn(folder);
const json = <T = Record<string, unknown>>(t: Test, args: readonly string[]) => jsonOf<T>(t, viltgrad, args);

/** Content of every file below a folder. */
const snapshot = (folder: string): Record<string, string> =>
  Object.fromEntries(
    readdirSync(folder, { recursive: true, encoding: "utf8" })
      .filter((name) => statSync(path.join(folder, name)).isFile())
      .sort()
      .map((name) => [
        name,
        createHash("sha256")
          .update(readFileSync(path.join(folder, name)))
          .digest("hex"),
      ]),
  );

/** A command that must say in one line what is wrong, and leave every file as it was. */
async function refused(t: Test, args: readonly string[], message: RegExp, { remarks = 0 } = {}): Promise<void> {
  const before = snapshot(folder);
  const { code, stdout, stderr } = await viltgrad(args);
  const what = args.join(" ").slice(0, 100);
  t.equal(code, 1, `${what}: exit code`);
  t.equal(stdout, "", `${what}: nothing on standard output`);
  const lines = stderr.split("\n");
  t.equal(lines.pop(), "", `${what}: a whole line`);
  t.equal(lines.length, 1 + remarks, `${what}: one line, not ${stderr}`);
  t.match(lines.at(-1), /^viltgrad: /, what);
  t.match(lines.at(-1), message, what);
  t.strictSame(snapshot(folder), before, `${what}: no file was changed`);
}

interface Metrics {
  readonly step: number;
  readonly seconds?: number;
}
const metricsIn = (run: string): Metrics[] =>
  readFileSync(path.join(run, "metrics.jsonl"), "utf8")
    .split("\n")
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Metrics);

/** Pictures: a gradient, so that no two pixels are alike, in several shapes and formats. */
const pixels = (width: number, height: number) =>
  sharp(
    Uint8Array.from({ length: width * height * 3 }, (_, i) => {
      const [x, y] = [Math.floor(i / 3) % width, Math.floor(i / 3 / width)];
      return [(255 * x) / width, (255 * y) / height, 255 - (255 * x) / width][i % 3]!;
    }),
    { raw: { width, height, channels: 3 } },
  );
await pixels(48, 48).png().toFile(at("square.png"));
await pixels(48, 48).webp({ lossless: true }).toFile(at("square.webp"));
await pixels(90, 60).jpeg().toFile(at("wide.jpg"));
await pixels(60, 90).webp().toFile(at("tall.webp"));
writeFileSync(at("cut.png"), readFileSync(at("square.png")).subarray(0, 1000));
writeFileSync(at("text.txt"), "no picture, no checkpoint");
const CAPTION = "a red dog left of a cat";

const commands = [
  ...["pretrain", "finetune", "ablate", "evaluate", "predict", "embed", "visualize", "profile", "verify", "convert"],
];
/** The run that the other commands are tried on. */
const pretraining = await viltgrad([
  ...["pretrain", "--preset", "tiny", "--steps", "4", "--batch-size", "8"],
  ...["--evaluation-samples", "8", "--output", "run", "--json"],
]);

t.test("help: the commands, and what all of them take", async (t) => {
  const { code, stdout } = await viltgrad(["--help"]);
  t.equal(code, 0);
  for (const command of commands) t.match(stdout, new RegExp(`^  ${command} `, "m"));
  for (const command of commands) {
    const help = await viltgrad([command, "--help"]);
    t.equal(help.code, 0, command);
    t.equal(help.stderr, "", command);
    for (const option of ["--device <name>", "--seed <n>", "--json"])
      t.ok(help.stdout.includes(option), `${command} ${option}`);
    t.match(help.stdout, `viltgrad ${command} [options]`);
  }
});

t.test("pretrain: one JSON object on standard output, progress on standard error", async (t) => {
  t.equal(pretraining.code, 0, pretraining.stderr);
  const lines = pretraining.stdout.split("\n");
  t.same([lines.length, lines[1]], [2, ""]);
  const result = JSON.parse(lines[0]!) as { files: Record<string, string>; evaluations: { split: string }[] };
  t.match(result, { folder: "run", step: 4, finished: true });
  t.same(
    result.evaluations.map(({ split }) => split),
    ["validation", "unseen-style", "unseen-pairs"],
  );
  t.match(pretraining.stderr, /^Run folder run: 195,767 parameters, emoji-scenes, device wasm, \d+ threads?$/m);
  t.match(pretraining.stderr, /^A step takes about \d+ ms: 4 steps in about /m);
  t.match(pretraining.stderr, /4\/4 \| mlm \d/);
  t.notMatch(pretraining.stderr, /[{}]/);
  for (const [name, file] of Object.entries(result.files)) t.ok(existsSync(at(file)), `${name}: ${file}`);
  t.equal(new Set(Object.values(result.files)).size, Object.keys(result.files).length, "no file stands for two things");
});

t.test("pretrain: what a run folder holds", async (t) => {
  const charts = ["losses", "alignment-loss", "accuracies", "gradient"];
  t.same(
    readdirSync(at("run")).sort(),
    [
      ...["alignment.html", "config.json", "evaluation.json", "metrics.jsonl", "model.safetensors", "report.html"],
      ...charts.flatMap((name) => [`${name}.png`, `${name}.svg`]),
    ].sort(),
    "and no temporary file",
  );
  for (const name of charts) {
    const svg = readFileSync(at("run", `${name}.svg`), "utf8");
    const drawn = new Resvg(svg);
    const { format, width, height } = await sharp(at("run", `${name}.png`)).metadata();
    t.same([format, width, height], ["png", 2 * drawn.width, 2 * drawn.height], name);
  }
  const metrics = metricsIn(at("run"));
  t.same(
    metrics.map(({ step }) => step),
    [1, 2, 3, 4],
  );
  for (const line of metrics)
    for (const name of ["loss", "mlmLoss", "itmLoss", "mlmAccuracy", "itmAccuracy", "gradNorm", "seconds"])
      t.ok(Number.isFinite(line[name as "step"]), `step ${line.step}: ${name}`);
  const config = JSON.parse(readFileSync(at("run/config.json"), "utf8"));
  t.match(config, { preset: "tiny", seed: 0, data: { name: "emoji-scenes" }, settings: { steps: 4, batchSize: 8 } });
  const bytes = new Uint8Array(readFileSync(at("run/model.safetensors")));
  t.equal(JSON.parse(parseSafetensorsHeader(bytes, bytes.length, "run").metadata.get("state")!).step, 4);
  const parameters = [...parseSafetensors(bytes, "run")].filter(([name]) => name.startsWith("model/"));
  t.equal(
    parameters.reduce((sum, [, { data }]) => sum + data.length, 0),
    195_767,
    "as many parameters as it said",
  );
});

/** That a page needs no other file: no scripts, no links, and only pictures within it. */
function expectSelfContained(t: Test, html: string, what: string): void {
  t.match(html, /^<!doctype html>/, what);
  t.notMatch(html, /<script[^>]|<link|<iframe|<object|@import|srcset/i, what);
  const addresses = [...html.matchAll(/\b(?:src|href|action|data)\s*=\s*["']?([^"'\s>]*)/gi)].map(
    ([, found]) => found!,
  );
  t.same(
    addresses.filter((address) => !/^(data:image\/png;base64,|#)/.test(address)),
    [],
    `${what}: addresses`,
  );
  t.same(
    [...html.matchAll(/url\(([^)]*)\)/g)].map(([, found]) => found!).filter((address) => !address.startsWith("#")),
    [],
    `${what}: addresses of styles`,
  );
  const elsewhere = [...html.matchAll(/https?:[^"'\s<]*/g)].map(([found]) => found);
  t.same(
    elsewhere.filter((address) => !address.startsWith("http://www.w3.org/")),
    [],
    `${what}: other than names of XML`,
  );
}

t.test("pretrain: the report is one page with scores, curves, alignments and the command", async (t) => {
  const report = readFileSync(at("run/report.html"), "utf8");
  const alignment = readFileSync(at("run/alignment.html"), "utf8");
  expectSelfContained(t, report, "report");
  expectSelfContained(t, alignment, "alignment");
  const count = (html: string, part: string) => html.split(part).length - 1;
  t.equal(count(alignment, "<svg "), 3 * 6, "six pairs of each split");
  t.equal(count(report, "<svg "), 4 + 3 * 6, "and four curves");
  t.equal(count(report, 'aria-roledescription="line mark"'), 2 + 2 + 2 + 1, "as many lines as were logged");
  for (const label of ["matching accuracy", "masked word accuracy", "pointing, final layer", "a coin 0.500"])
    t.ok(report.includes(label), label);
  const [, command] = /<pre>(viltgrad [^<]*)<\/pre>/.exec(report)!;
  t.equal(
    command,
    "viltgrad pretrain --preset tiny --data emoji-scenes --seed 0 --steps 4 --batch-size 8 --learning-rate 0.003",
  );
});

t.test("evaluate: the scores of the run itself, by split, as JSON and as a table", async (t) => {
  const recorded = JSON.parse(readFileSync(at("run/evaluation.json"), "utf8")) as { split: string }[];
  const found = await json(t, ["evaluate", "run", "--split", "unseen-style", "validation", "--samples", "8"]);
  t.strictSame(found, { step: 4, evaluations: [recorded[1], recorded[0]] });
  const { code, stdout, stderr } = await viltgrad([
    ...["evaluate", "run/model.safetensors", "--split", "train", "--samples", "4", "--pool", "3", "--seed", "7"],
  ]);
  t.equal(code, 0);
  t.equal(stderr, "");
  t.match(stdout, /^ +train +chance$/m);
  t.match(stdout, /^matching accuracy +[01]\.\d{3} +0\.500 \(a coin\)$/m);
  t.match(stdout, /^text → image recall@1 of 3 +[01]\.\d{3} +0\.333 \(any order\)$/m);
});

interface Pair {
  readonly image: string;
  readonly caption: string;
  readonly matching: number;
  readonly logits: number[];
  readonly pooled: number[];
  readonly textClass: number[];
  readonly imageClass: number[];
}

t.test("embed: vectors of the hidden size, and the same ones for the same pair", async (t) => {
  const images = ["square.png", "square.webp", "wide.jpg", "tall.webp"];
  const { pairs } = await json<{ pairs: Pair[] }>(t, ["embed", "run", "--image", ...images, "--caption", CAPTION]);
  t.same(
    pairs.map(({ image, caption }) => [image, caption]),
    images.map((image) => [image, CAPTION]),
    "one caption for all images",
  );
  for (const { image, matching, logits, pooled, textClass, imageClass } of pairs) {
    t.same(
      [pooled, textClass, imageClass].map(({ length }) => length),
      [64, 64, 64],
      image,
    );
    t.ok([...pooled, ...textClass, ...imageClass].every(Number.isFinite), image);
    t.ok(
      pooled.every((value) => Math.abs(value) <= 1),
      `${image}: pooled by tanh`,
    );
    const [no, yes] = logits as [number, number];
    t.ok(matching > 0 && matching < 1, `${image}: a probability`);
    t.ok(Math.abs(matching - 1 / (1 + Math.exp(no - yes))) < 1e-6, `${image}: of the second class`);
  }
  const vectors = ({ image, caption, ...rest }: Pair) => rest;
  t.strictSame(vectors(pairs[1]!), vectors(pairs[0]!), "the same pixels in another file");
  t.strictNotSame(vectors(pairs[2]!), vectors(pairs[0]!), "other pixels");

  const two = await json<{ pairs: Pair[] }>(t, [
    ...["embed", "run/model.safetensors", "--image", "square.png", "--caption", "a cat", CAPTION],
  ]);
  t.same(
    two.pairs.map(({ image, caption }) => [image, caption]),
    [
      ["square.png", "a cat"],
      ["square.png", CAPTION],
    ],
    "several captions for one image",
  );
  t.strictSame(vectors(two.pairs[1]!), vectors(pairs[0]!), "in another call, beside another pair");
  t.strictNotSame(vectors(two.pairs[0]!), vectors(pairs[0]!), "another caption");
  const both = await json<{ pairs: Pair[] }>(t, [
    ...["embed", "run", "--image", "wide.jpg", "square.png", "--caption", CAPTION, "a cat", "--device", "cpu"],
  ]);
  t.same(
    both.pairs.map(({ image, caption }) => [image, caption]),
    [
      ["wide.jpg", CAPTION],
      ["square.png", "a cat"],
    ],
    "a caption for each image",
  );
  const expected = [pairs[2]!, two.pairs[0]!];
  t.ok(
    both.pairs.every(({ pooled }, i) => pooled.every((value, k) => Math.abs(value - expected[i]!.pooled[k]!) < 1e-4)),
    "cpu and wasm agree",
  );
});

interface Drawing {
  readonly output: string;
  readonly words: { word: string; mass: number[]; patch: [number, number]; hit?: boolean }[];
}

t.test("visualize: PNG, SVG and HTML of pictures of any shape", async (t) => {
  // Shorter side 48 and patches of 12: a picture of 90 × 60 becomes 72 × 48.
  for (const [output, image, rows, columns, more] of [
    ["drawn/wide.png", "wide.jpg", 4, 6, []],
    ["drawn/tall.svg", "tall.webp", 6, 4, ["--layer", "embedding", "--iterations", "20", "--beta", "0.4"]],
    ["drawn/square.HTML", "square.png", 4, 4, ["--word", "dog", "cat"]],
  ] as const) {
    const args = ["visualize", "run", "--image", image, "--caption", CAPTION, "--output", output];
    const drawing = await json<Drawing>(t, [...args, ...more]);
    t.equal(drawing.output, output);
    t.same(
      drawing.words.map(({ word }) => word),
      output.endsWith("HTML") ? ["dog", "cat"] : ["red", "dog", "left"],
      "the named words, or the three longest, in their order",
    );
    for (const { word, mass, patch, hit } of drawing.words) {
      t.equal(mass.length, rows * columns, `${output}: ${word}`);
      t.ok(Math.abs(mass.reduce((sum, share) => sum + share, 0) - 1) < 1e-6);
      t.equal(mass.indexOf(Math.max(...mass)), patch[0] * columns + patch[1], `${output}: ${word}`);
      t.equal(hit, undefined, "nobody knows where it is");
    }
  }
  const svg = readFileSync(at("drawn/tall.svg"), "utf8");
  t.equal(svg.split("<image ").length - 1, 4, "the picture and three words");
  const drawn = new Resvg(svg);
  t.ok(drawn.height > drawn.width / 4, "a tall picture");
  const { format, width, height } = await sharp(at("drawn/wide.png")).metadata();
  t.equal(format, "png");
  t.ok(width > height, "four panels side by side");
  const html = readFileSync(at("drawn/square.HTML"), "utf8");
  expectSelfContained(t, html, "drawing");
  t.equal(html.split("<image ").length - 1, 3, "the picture and two words");
  for (const word of CAPTION.split(" ")) t.ok(html.includes(`>${word}</button>`), `${word} can be clicked`);

  const long = `${CAPTION} and a bird and a fish and a tree`;
  const { code, stdout } = await viltgrad([
    ...["visualize", "run", "--image", "wide.jpg", "--caption", `${long}\u0007`, "--truncate"],
  ]);
  t.equal(code, 0);
  t.match(stdout, /^word +row, column of its patch +share of its mass there$/m);
  t.match(stdout, "Look at alignment.png");
  t.equal((await sharp(at("alignment.png")).metadata()).format, "png", "where nothing else is said");
});

t.test("pictures and captions that cannot be used", async (t) => {
  writeFileSync(at("kept.png"), "an older drawing");
  const visualize = (image: string, caption: string, ...more: string[]) => [
    ...["visualize", "run", "--image", image, "--caption", caption, "--output", "kept.png", ...more],
  ];
  await refused(
    t,
    ["visualize", "nowhere", "--image", "none.png", "--caption", "", "--output", "kept.gif"],
    /visualize: kept\.gif ends in none of \.svg, \.png, \.html$/,
  );
  await refused(t, visualize("cut.png", CAPTION), /cut\.png: expected a whole PNG, JPEG or WebP picture/);
  await refused(t, visualize("none.png", CAPTION), /none\.png: expected .* missing/);
  await refused(t, visualize("text.txt", CAPTION), /text\.txt: expected a whole PNG, JPEG or WebP picture/);
  await refused(
    t,
    visualize("square.png", CAPTION, "--word", "elephant"),
    /"elephant" is none of the words .*: a, red, dog/,
  );
  await refused(t, visualize("square.png", " \t"), /the caption " \\t" is empty$/);
  const long = `${CAPTION} and ${CAPTION}`;
  await refused(t, visualize("square.png", long), /the caption ".*" has 17 tokens, the limit is 16$/);
  await refused(
    t,
    visualize("square.png", `${long} truly`, "--truncate", "--word", "truly"),
    /"truly" was cut off with the end of the caption$/,
  );
  await refused(
    t,
    ["visualize", "run", "--image", "square.png", "--caption", CAPTION, "--output", "text.txt/a.png"],
    /text\.txt/,
  );
  await refused(
    t,
    ["embed", "run", "--image", "square.png", "wide.jpg", "tall.webp", "--caption", "a cat", "a dog"],
    /embed: 3 images and 2 captions do not pair up$/,
  );
});

t.test("checkpoints, splits, presets and options that cannot be used", async (t) => {
  const bytes = readFileSync(at("run/model.safetensors"));
  writeFileSync(at("cut.safetensors"), bytes.subarray(0, bytes.length / 2));
  cpSync(path.join(golden, "wpa_ipot.safetensors"), at("other.safetensors"));
  const embed = (checkpoint: string) => ["embed", checkpoint, "--image", "square.png", "--caption", CAPTION];
  await refused(t, embed("nowhere"), /nowhere: no checkpoint there; viltgrad pretrain writes one$/);
  await refused(t, ["evaluate", "drawn"], /drawn\/model\.safetensors: no checkpoint there/);
  await refused(
    t,
    ["evaluate", "cut.safetensors"],
    /cut\.safetensors: tensor \S+\.m: bytes \d+ to \d+ of \d+ bytes of data; is the file truncated\?$/,
  );
  await refused(t, embed("other.safetensors"), /other\.safetensors: the header's format is .*, expected viltgrad/);
  await refused(
    t,
    ["evaluate", "run", "--split", "holdout"],
    /emoji-scenes: no split "holdout"; there are train, validation, unseen-style, unseen-pairs$/,
  );
  await refused(
    t,
    ["pretrain", "--preset", "huge", "--output", "new"],
    /no preset "huge"; there are toy, tiny, small, b32$/,
  );
  await refused(
    t,
    ["pretrain", "--data", "nowhere", "--output", "new"],
    /nowhere: expected a captions file, or a folder/,
  );
  for (const [args, message] of [
    [["pretrain", "--seed", "1e20"], /--seed <n>' argument '1e20' is invalid/],
    [["embed", "run", "--image", "square.png"], /required option '--caption <texts\.\.\.>' not specified/],
    [["train"], /unknown command 'train'/],
  ] as const) {
    const { code, stdout, stderr } = await viltgrad(args);
    t.equal(code, 1, args.join(" "));
    t.equal(stdout, "");
    t.match(stderr, message);
    t.notMatch(stderr, /^ +at /m, "no stack");
  }
});

t.test("pretrain: a captions file with a bad line is refused by its line, before a folder is made", async (t) => {
  const data = at("data");
  cpSync(at("square.png"), path.join(data, "square.png"));
  cpSync(at("wide.jpg"), path.join(data, "wide.jpg"));
  const good = '{"image": "square.png", "caption": "a square", "split": "train"}';
  const pretrain = ["pretrain", "--data", "data", "--output", "new", "--steps", "2", "--batch-size", "2"];
  for (const [bad, message] of [
    ['{"image": "wide.jpg", "capt', /data\/captions\.jsonl, line 3: not JSON/],
    ['{"image": "wide.jpg"}', /data\/captions\.jsonl, line 3: caption: .*expected string/],
    ['{"image": "gone.jpg", "caption": "a"}', /data\/captions\.jsonl, line 3: there is no image file .*gone\.jpg/],
    ['{"image": "wide.jpg", "caption": "  "}', /data\/captions\.jsonl, line 3: the caption is empty/],
    [
      `{"image": "wide.jpg", "caption": "${"very ".repeat(15)}wide"}`,
      /data\/captions\.jsonl, line 3: the caption ".*" has \d+ tokens, the limit is 16/,
    ],
  ] as const) {
    writeFileSync(path.join(data, "captions.jsonl"), `${good}\n\n${bad}\n`);
    await refused(t, pretrain, message);
  }
  writeFileSync(path.join(data, "captions.jsonl"), `${good}\n`);
  await refused(t, pretrain, /data: 1 training samples do not fill a batch of 2$/);
  await refused(
    t,
    ["evaluate", "run", "--data", "data", "--split", "validation"],
    /the split "validation" has no samples$/,
  );
});

t.test("pretrain: a run is never overwritten, and a resumed one keeps its settings", async (t) => {
  await refused(t, ["pretrain", "--output", "run"], /run: there is a run in it already; --resume run goes on with it/);
  await refused(
    t,
    ["pretrain", "--resume", "run", "--steps", "9", "--batch-size", "8", "--hard-negatives", "0.5"],
    /pretrain: a resumed run keeps its settings; leave out --steps, --batch-size, --hard-negatives$/,
  );
  await refused(t, ["pretrain", "--resume", "nowhere"], /nowhere: no checkpoint there/);
  await refused(t, ["pretrain", "--resume", "cut.safetensors"], /cut\.safetensors: tensor \S+: .* truncated/);
});

t.test("pretrain: an interrupt saves; the resumed run ends with the bits of an uninterrupted one", async (t) => {
  const settings = ["--preset", "toy", "--steps", "60", "--batch-size", "8", "--seed", "5", "--hard-negatives", "0.5"];
  const rest = ["--evaluation-samples", "2", "--checkpoint-every", "7", "--json"];
  const stopped = await viltgrad(["pretrain", ...settings, ...rest, "--output", "stopped", "--threads", "1"], {
    onStart(child) {
      const log = at("stopped", "metrics.jsonl");
      const timer = setInterval(() => {
        if (!existsSync(log) || statSync(log).size === 0) return;
        clearInterval(timer);
        child.kill("SIGINT");
      }, 5);
      child.on("exit", () => clearInterval(timer));
    },
  });
  t.same([stopped.code, stopped.signal], [0, null], stopped.stderr);
  const { step, ...result } = JSON.parse(stopped.stdout) as { step: number };
  t.same(result, { folder: "stopped", finished: false });
  t.ok(step >= 7 && step < 60, `after step ${step}`);
  t.equal(metricsIn(at("stopped")).length, step, "every step is in the log");
  t.notOk(existsSync(at("stopped/report.html")));
  const [, saved, command] = /^Saved after step (\d+)\. Go on with: {2}viltgrad (.+)$/m.exec(stopped.stderr)!;
  t.equal(Number(saved), step);
  t.equal(command, "pretrain --resume stopped");

  const resumed = await json(t, [...command!.split(" "), "--evaluation-samples", "2", "--threads", "2"]);
  t.match(resumed, { folder: "stopped", step: 60, finished: true });
  const whole = await viltgrad(["pretrain", ...settings, ...rest, "--output", "whole"]);
  t.equal(whole.code, 0, whole.stderr);
  const tensorsOf = (run: string) => parseSafetensors(new Uint8Array(readFileSync(at(run, "model.safetensors"))), run);
  const [found, expected] = [tensorsOf("stopped"), tensorsOf("whole")];
  t.same([...found.keys()].sort(), [...expected.keys()].sort());
  t.ok(expected.size > 60, "parameters and moments");
  const differs = [...expected].filter(([name, { data }]) => {
    const bits = (array: ArrayBufferView) => Buffer.from(array.buffer, array.byteOffset, array.byteLength);
    return !bits(found.get(name)!.data).equals(bits(data));
  });
  t.same(
    differs.map(([name]) => name),
    [],
    "bit for bit",
  );
  const logged = (run: string) => metricsIn(at(run)).map(({ seconds, ...metrics }) => metrics);
  t.strictSame(logged("stopped"), logged("whole"), "and every logged number");
  const { evaluations } = JSON.parse(whole.stdout) as { evaluations: unknown };
  t.strictSame(resumed.evaluations, evaluations, "and every score");
});

t.test("verify: exit code 0 only where every case passes", async (t) => {
  const copy = (to: string) => {
    for (const ending of ["json", "safetensors"])
      cpSync(path.join(golden, `wpa_ipot.${ending}`), at(to, `wpa_ipot.${ending}`));
  };
  for (const name of ["good", "broken", "unknown"]) copy(name);
  const good = await json<{ passed: boolean; cases: Record<string, unknown>[] }>(t, ["verify", "good"]);
  t.equal(good.passed, true);
  t.match(good.cases, [{ case: "wpa_ipot", kind: "wpa_ipot", status: "pass", failures: [] }]);

  const file = at("broken/wpa_ipot.safetensors");
  const tensors = parseSafetensors(new Uint8Array(readFileSync(file)), file);
  const [name, { data }] = [...tensors].find(([name]) => /dist/i.test(name) && !/^in/.test(name))!;
  data[0] = data[0]! + 1;
  writeFileSync(file, serializeSafetensors(tensors));
  const broken = await viltgrad(["verify", "broken"]);
  t.equal(broken.code, 1);
  t.equal(broken.stderr, "");
  t.match(broken.stdout, /^wpa_ipot +wpa_ipot +fail /m);
  t.ok(broken.stdout.includes(`wpa_ipot: ${name}: differs by 1.00e+0 at element 0`), broken.stdout);

  writeFileSync(at("unknown/new.json"), JSON.stringify({ kind: "convolution" }));
  const unknown = await viltgrad(["verify", "unknown", "--json"]);
  t.equal(unknown.code, 1, "though the other case passes");
  const { passed, cases } = JSON.parse(unknown.stdout) as typeof good;
  t.equal(passed, false);
  t.match(
    cases.sort((a, b) => String(a.case).localeCompare(String(b.case))),
    [
      { case: "new", status: "error", failures: [/unknown kind "convolution"; known are /] },
      { case: "wpa_ipot", status: "pass" },
    ],
  );
});

t.test("profile: a published model is counted, a small one measured", async (t) => {
  const start = performance.now();
  const { code, stdout, stderr } = await viltgrad(["profile", "--steps", "0", "--preset", "b32"]);
  t.same([code, stderr], [0, ""]);
  t.ok(performance.now() - start < 20_000, "in seconds");
  t.match(stdout, /^b32: 135,660,092 parameters; a step of 4096 pairs: \d+\.\d\d GFLOP in matrix products$/m);
  t.match(stdout, /^attention +24 +\d+\.\d{3} +\d+\.\d +– +–$/m, "no time was measured");

  const profile = await json<{
    stepMilliseconds: number;
    fallbacks: Record<string, number>;
    kernels: { kernel: string; milliseconds: number }[];
  }>(t, ["profile", "--steps", "1", "--preset", "toy", "--batch-size", "4"]);
  t.match(profile, { preset: "toy", device: "wasm", batchSize: 4, fallbacks: {} });
  t.ok(profile.stepMilliseconds > 0);
  t.ok(profile.kernels.every(({ milliseconds }) => milliseconds >= 0));
  for (const name of ["linear", "matmul", "attention", "attentionBackward", "adamw"])
    t.ok(profile.kernels.find(({ kernel }) => kernel === name)!.milliseconds > 0, name);
});

t.test("convert: a folder for the other library, with the numbers of the run", async (t) => {
  const result = await json(t, ["convert", "run", "exported"]);
  t.match(result, { folder: "exported", task: "masked-words" });
  const files = ["config.json", "model.safetensors", "preprocessor_config.json", "tokenizer_config.json", "vocab.txt"];
  t.strictSame(readdirSync(at("exported")).sort(), files);
  const [theirs, ours] = [at("exported", "model.safetensors"), at("run", "model.safetensors")].map((file) =>
    parseSafetensors(readFileSync(file), file),
  );
  t.strictSame(theirs!.get("vilt.layernorm.weight")!.data, ours!.get("model/backbone.encoder.layerNorm.weight")!.data);
  t.strictSame(
    theirs!.get("vilt.encoder.layer.2.attention.attention.value.bias")!.data,
    ours!.get("model/backbone.encoder.layers.2.attention.queryKeyValue.bias")!.data.slice(128),
    "the last third of the packed bias",
  );
  const ranking = await json(t, ["convert", "run", "ranking", "--task", "retrieval"]);
  t.match(ranking, { task: "retrieval" });
  const file = at("ranking", "model.safetensors");
  t.strictSame(
    parseSafetensors(readFileSync(file), file).get("rank_output.weight")!.data,
    ours!.get("model/imageTextMatchingHead.dense.weight")!.data.slice(64),
    "the row of pairs that belong together",
  );
  await refused(t, ["convert", "run", "exported"], /exported exists already/);
  await refused(t, ["convert", "text.txt", "new"], /text\.txt: not a safetensors file/);
});

t.test("--device gpu: loads gpu.js, says its mode, and refuses a mode that is not there", async (t) => {
  const args = ["profile", "--preset", "toy", "--batch-size", "2", "--steps", "1", "--device"];
  const plain = await viltgrad([...args, "gpu"]);
  t.equal(plain.code, 0, plain.stderr);
  t.match(plain.stderr, /^Device gpu is gpu:\w+ here\.$/m);
  t.match(await json(t, [...args, "gpu:cpu"]), { device: "gpu:cpu", fallbacks: {} });
  const unknown = await viltgrad([...args, "gpu:opengl"]);
  t.equal(unknown.code, 1);
  t.match(unknown.stderr, /Allowed choices are .*gpu, gpu:webgpu, gpu:webgl2, gpu:headlessgl, gpu:webasm, gpu:cpu/);
  const absent = await viltgrad([...args, "gpu:webgpu"]);
  t.equal(absent.code, 1);
  t.equal(
    absent.stderr,
    "viltgrad: gpu: mode webgpu does not work here; it needs an engine with navigator.gpu and an adapter; Node has it from the package webgpu\n",
  );
});
