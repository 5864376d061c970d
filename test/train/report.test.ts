import sharp from "sharp";
import t from "tap";
import { EmojiScenes } from "../../src/data/emoji-scenes/emoji-scenes.ts";
import { Tokenizer } from "../../src/data/tokenizer.ts";
import { Rng } from "../../src/tensor/rng.ts";
import { alignmentPicture } from "../../src/train/alignment-picture.ts";
import type { EncodedSample } from "../../src/train/evaluation/context.ts";
import type { Evaluation } from "../../src/train/evaluation/evaluation.ts";
import { formatScore, scoreRows } from "../../src/train/evaluation/score-rows.ts";
import type { LoggedStep } from "../../src/train/metrics-log.ts";
import { curves } from "../../src/train/report/curves.ts";
import { htmlPage, htmlTable } from "../../src/train/report/page.ts";
import { getPreset, parseViltConfig } from "../../src/vilt/config.ts";
import { ViltForPretraining } from "../../src/vilt/pretraining.ts";
import "../support.ts";

const recall = (at1: number, at5: number, at10: number) => ({ at1, at5, at10 });
const whole: Evaluation = {
  ...{ split: "validation", samples: 20, pool: 20 },
  matching: { score: 0.75, chance: 0.5 },
  hardMatching: { thing: { score: 0.6, chance: 0.5 }, relation: { score: 0.55, chance: 0.5 } },
  maskedWords: { score: 0.4, chance: 1 / 32 },
  ...{ textRetrieval: recall(0.2, 0.5, 0.8), imageRetrieval: recall(0.1, 0.4, 0.7) },
  retrievalChance: recall(0.05, 0.25, 0.5),
  pointing: {
    embedding: { score: 0.9, chance: 0.25, someThing: 0.5 },
    final: { score: 0.35, chance: 0.25, someThing: 0.5 },
  },
};

t.test("score rows: every score under its name, by split, beside what guessing gets", async (t) => {
  const { hardMatching, pointing, ...bare } = whole;
  const rows = scoreRows([whole, { ...bare, split: "other", matching: { score: 0.5, chance: 0.5 } }]);
  t.same(
    rows.map(({ label, scores, chance }) => [label, ...scores, chance]),
    [
      ["matching accuracy", 0.75, 0.5, { "a coin": 0.5 }],
      ["matching, one thing swapped", 0.6, undefined, { "a coin": 0.5 }],
      ["matching, one relation swapped", 0.55, undefined, { "a coin": 0.5 }],
      ["masked word accuracy", 0.4, 0.4, { "any noun": 1 / 32 }],
      ["image → text recall@1 of 20", 0.2, 0.2, { "any order": 0.05 }],
      ["image → text recall@5 of 20", 0.5, 0.5, { "any order": 0.25 }],
      ["image → text recall@10 of 20", 0.8, 0.8, { "any order": 0.5 }],
      ["text → image recall@1 of 20", 0.1, 0.1, { "any order": 0.05 }],
      ["text → image recall@5 of 20", 0.4, 0.4, { "any order": 0.25 }],
      ["text → image recall@10 of 20", 0.7, 0.7, { "any order": 0.5 }],
      ["pointing, embedding layer", 0.9, undefined, { "any patch": 0.25, "some thing": 0.5 }],
      ["pointing, final layer", 0.35, undefined, { "any patch": 0.25, "some thing": 0.5 }],
    ],
  );
  const plain = scoreRows([bare]);
  t.equal(plain.length, 8, "nothing about swaps and boxes where the data set knows none");
  t.same(plain[1], { label: "masked word accuracy", scores: [0.4], chance: { "any token": 1 / 32 } });
  t.same(scoreRows([]), []);
  t.same([0.5, 0, 1 / 3, undefined, Number.NaN].map(formatScore), ["0.500", "0.000", "0.333", "–", "–"]);
});

t.test("page: tables and titles escape their text; a page names no other file", async (t) => {
  const html = htmlTable([
    ["", "a < b", "guess"],
    ["<script>", `"x" & 'y'`, "—"],
  ]);
  t.notMatch(html, /<script|a < b|"x"|& /);
  const cells = (tag: string) => [...html.matchAll(new RegExp(`<${tag}(?: class="chance")?>(.*?)</${tag}>`, "g"))];
  t.same(
    cells("th").map(([, text]) => text),
    ["", "a &#60; b", "guess"],
  );
  t.same(
    cells("td").map(([, text]) => text),
    ["&#60;script&#62;", "&#34;x&#34; &#38; &#39;y&#39;", "—"],
  );
  t.match(html, /<td class="chance">—<\/td>/, "the last column holds remarks");
  const page = htmlPage("runs/<a> & b", "<p>body</p>");
  t.match(page, /^<!doctype html>/);
  t.match(page, "<title>runs/&#60;a&#62; &#38; b</title>");
  t.match(page, "<p>body</p>");
  t.notMatch(page, /<script|<link|@import|url\(|src=|href=/);
});

const logged = (step: number, changes: Partial<LoggedStep> = {}): LoggedStep => ({
  ...{ step, learningRate: 1e-3, loss: 3, mlmLoss: 2, itmLoss: 0.7, wpaLoss: {} },
  ...{ mlmAccuracy: 0.25, itmAccuracy: 0.5, gradNorm: 1, seconds: 0.1, ...changes },
});
/** Points of each line of a chart, by its name. */
const linesOf = (svg: string) =>
  Object.fromEntries(
    [...svg.matchAll(/aria-label="step: [\d.]+; [^"]*line: ([^"]*)"[^>]*line mark" d="M([^"]*)"/g)].map((match) => [
      match[1]!,
      match[2]!.split("L").map((point) => point.split(",").map(Number) as [number, number]),
    ]),
  );

t.test(
  "curves: all points of a short run; means over equal groups, at the last step of each, of a long one",
  async (t) => {
    const accuracy = (step: number) => ((step * 37) % 101) / 101;
    for (const [count, length] of [
      [10, 1],
      [150, 1],
      [301, 3],
    ] as const) {
      const steps = Array.from({ length: count }, (_, i) => logged(i + 1, { mlmAccuracy: accuracy(i + 1) }));
      const { accuracies } = await curves(steps);
      const lines = linesOf(accuracies!);
      t.same(Object.keys(lines), ["masked tokens", "matching"]);
      const points = lines["masked tokens"]!;
      const groups = Array.from({ length: Math.ceil(count / length) }, (_, g) =>
        steps.slice(g * length, (g + 1) * length).map(({ step }) => step),
      );
      t.equal(points.length, groups.length, `${count} steps`);
      // Accuracies 0 … 1 over a height of 240 from below; steps are spread evenly over the width.
      const means = groups.map((group) => group.reduce((sum, step) => sum + accuracy(step), 0) / group.length);
      t.ok(
        points.every(([, y], g) => Math.abs(y - 240 * (1 - means[g]!)) <= 0.01),
        `${count} steps: each point is the mean of ${length}`,
      );
      const [first, last] = [groups[0]!.at(-1)!, groups.at(-1)!.at(-1)!];
      const [from, to] = [points[0]![0], points.at(-1)![0]];
      t.ok(to > from + 300);
      t.ok(
        points.every(
          ([x], g) => Math.abs(x - from - ((to - from) * (groups[g]!.at(-1)! - first)) / (last - first)) <= 0.01,
        ),
        `${count} steps: each point stands at the last step of its group`,
      );
    }
  },
);

t.test("curves: a chart for each kind of number, alignment only where there was some", async (t) => {
  const steps = [1, 2, 3].map((step) => logged(step, { wpaLoss: { embedding: -0.1 * step, final: 0.2 } }));
  const charts = await curves(steps);
  t.same(Object.fromEntries(Object.entries(charts).map(([name, svg]) => [name, Object.keys(linesOf(svg))])), {
    losses: ["masked words", "matching"],
    "alignment-loss": ["embedding layer", "final layer"],
    accuracies: ["masked tokens", "matching"],
    gradient: ["gradient"],
  });
  t.notOk("alignment-loss" in (await curves([logged(1), logged(2)])));
});

/** A model with the weights it begins with, and scenes whose boxes are known. */
const dataset = new EmojiScenes({ seed: 1 });
const { model: base, wordPatchAlignment } = getPreset("tiny");
const tokenizer = new Tokenizer(dataset.vocabulary(base.vocabularySize));
const config = parseViltConfig({ ...base, vocabularySize: tokenizer.vocabulary.length });
const model = new ViltForPretraining(config, { rng: new Rng(4) });
const final = wordPatchAlignment.find(({ layer }) => layer === "final")!;
const encoded = (index: number): EncodedSample => {
  const sample = dataset.sample("unseen-pairs", index);
  return { sample, encoding: tokenizer.encode(sample.caption, { maxLength: config.maxTextLength }) };
};

t.test("alignment picture: masses are shares, the patch has the largest, a hit is a centre in the box", async (t) => {
  const outcomes = { hit: 0, miss: 0 };
  for (let index = 0; index < 8; index++) {
    const row = encoded(index);
    const things = row.sample.things!;
    const { svg, words } = await alignmentPicture(row, model.backbone, tokenizer.padId, final);
    const caption = row.sample.caption.split(" ");
    t.same(
      words.map(({ word }) => word),
      things.map((thing) => caption.slice(...thing.words).join(" ")),
      "the things of the caption",
    );
    for (const [i, { mass, patch, hit }] of words.entries()) {
      t.equal(mass.length, 16);
      t.ok(mass.every((share) => share >= 0));
      t.ok(Math.abs(mass.reduce((sum, share) => sum + share, 0) - 1) < 1e-9, "shares sum to 1");
      t.equal(mass[4 * patch[0] + patch[1]], Math.max(...mass));
      const { x, y, width, height } = things[i]!.box;
      const [centreX, centreY] = [12 * patch[1] + 6, 12 * patch[0] + 6];
      t.equal(hit, centreX >= x && centreX < x + width && centreY >= y && centreY < y + height);
      outcomes[hit ? "hit" : "miss"]++;
    }
    for (const note of ["hit", "miss"])
      t.equal(
        svg.split(`>${note}</text>`).length - 1,
        words.filter(({ hit }) => hit === (note === "hit")).length,
        `as many panels say ${note}`,
      );
    t.equal(svg.split("<image ").length - 1, 1 + things.length);
    t.equal(svg.split("stroke-dasharray").length - 1, things.length, "a frame for each box");
  }
  t.ok(outcomes.hit > 0 && outcomes.miss > 0, "both occur");
});

t.test("alignment picture: words of one's own choice, without a box unless they are the thing's", async (t) => {
  const row = encoded(0);
  const span = row.sample.things![0]!.words;
  const embedding = { ...final, layer: "embedding" } as const;
  const { svg, words } = await alignmentPicture(row, model.backbone, tokenizer.padId, embedding, [span, [0, 2]]);
  t.type(words[0]!.hit, "boolean");
  t.notOk("hit" in words[1]!);
  t.equal(words[1]!.word, row.sample.caption.split(" ").slice(0, 2).join(" "));
  t.equal(svg.split("stroke-dasharray").length - 1, 1);
  const halves = [0, 1].map((at) => [at, at + 1] as const);
  const apart = await alignmentPicture(row, model.backbone, tokenizer.padId, embedding, halves);
  t.ok(
    words[1]!.mass.every((share, k) => {
      const both = apart.words.map(({ mass }) => mass[k]!);
      return share >= Math.min(...both) - 1e-9 && share <= Math.max(...both) + 1e-9;
    }),
    "two words have the sum of their masses, so a share between theirs",
  );

  const { things, ...unknown } = row.sample;
  const caption = "an elephant is by a dog";
  const sample = { ...unknown, caption };
  const longest = await alignmentPicture(
    { sample, encoding: tokenizer.encode(caption) },
    model.backbone,
    tokenizer.padId,
    final,
  );
  t.same(
    longest.words.map(({ word }) => word),
    ["an", "elephant", "dog"],
    "the three longest, of equals the first, in their order",
  );
  t.ok(longest.words.every((word) => !("hit" in word)));
  await t.rejects(
    alignmentPicture(row, model.backbone, tokenizer.padId, { ...final, beta: 1e-9 }),
    { name: "DataError", message: /^alignment: "\w+" has a mass of (0|NaN) on the patches, with β 1e-9/ },
    "no picture of a transport that underflows",
  );
});

t.test("alignment picture: the picture that it shows is the sample's own", async (t) => {
  const row = encoded(2);
  const { svg } = await alignmentPicture(row, model.backbone, tokenizer.padId, final);
  const [, base64] = /href="data:image\/png;base64,([^"]+)"/.exec(svg)!;
  const { data, info } = await sharp(Buffer.from(base64!, "base64")).raw().toBuffer({ resolveWithObject: true });
  t.same([info.width, info.height, info.channels], [48, 48, 3]);
  // −1 … 1 by planes against 0 … 255 by pixels.
  const differs = [...data].filter(
    (value, i) =>
      Math.abs(value / 127.5 - 1 - row.sample.image[(i % 3) * 48 * 48 + Math.floor(i / 3)]!) > 0.5 / 127.5 + 1e-6,
  );
  t.equal(differs.length, 0);
});
