import { createRequire } from "node:module";
import { Resvg } from "@resvg/resvg-js";
import fc from "fast-check";
import sharp from "sharp";
import t from "tap";
import { type AlignmentFigure, alignmentFigure } from "../../src/viz/alignment.ts";
import { type ChartPoint, lineChart } from "../../src/viz/line-chart.ts";
import { svgToPng } from "../../src/viz/png.ts";
import { escapeXml } from "../../src/viz/xml.ts";

type Pixel = readonly [number, number, number];
const GREEN: Pixel = [0, 255, 0];
/** Where a hidden patch lets the picture shine through by 8 %: 0 becomes 0.92 · 255. */
const HIDDEN: Pixel = [235, 255, 235];
const PINK: Pixel = [224, 33, 138];

/** Decoded from a PNG at the size of the document; answers the colour of any pixel. */
async function render(svg: string) {
  const { data, info } = await sharp(svgToPng(svg, 1)).removeAlpha().raw().toBuffer({ resolveWithObject: true });
  const pixel = (x: number, y: number): Pixel => {
    const at = 3 * (Math.floor(y) * info.width + Math.floor(x));
    return [data[at]!, data[at + 1]!, data[at + 2]!];
  };
  return { ...info, pixel };
}
const isNear = (a: Pixel, b: Pixel, within = 2) => a.every((value, c) => Math.abs(value - b[c]!) <= within);

/** Texts of an element's content, without its tags and entities. */
const unescaped = (xml: string) =>
  xml.replace(/<[^>]*>/g, "").replace(/&#(\d+);/g, (_, code) => String.fromCodePoint(Number(code)));
const textsIn = (svg: string) => [...svg.matchAll(/<text[^>]*>(.*?)<\/text>/gs)].map((match) => match[1]!);
const panelsIn = (svg: string) => svg.split("<g transform=").slice(1);

const green = await sharp({ create: { width: 8, height: 8, channels: 3, background: "#00ff00" } })
  .png()
  .toBuffer();
/** 72 × 48 pixels are drawn twice as large: panels of 144 × 96, 12 apart, so patches of 24 are 48 wide there. */
const figure = (changes: Partial<AlignmentFigure> = {}): AlignmentFigure => ({
  ...{ picture: `data:image/png;base64,${green.toString("base64")}`, width: 72, height: 48 },
  ...{ grid: [2, 3], patchSize: 24, caption: ["a", "dog", "and", "a", "cat"], aligned: [], ...changes },
});
const shown = { words: [1, 2] as const, visibility: [1, 1, 1, 1, 1, 1] };
/** A point of panel `i`, in pixels of the drawing. */
const inPanel = (i: number, x: number, y: number) => [12 + i * 156 + x, 12 + y] as const;

t.test("alignment: patches of visibility 0 are hidden, of 1 shown, between them in proportion", async (t) => {
  const visibilities = [
    [0, 1, 0, 1, 0, 0],
    [1, 0, 0.5, 0.25, 1, 1],
  ];
  const { pixel } = await render(
    alignmentFigure(figure({ aligned: visibilities.map((visibility) => ({ words: [1, 2], visibility })) })),
  );
  for (let patch = 0; patch < 6; patch++) {
    const [x, y] = [((patch % 3) + 0.5) * 48, (Math.floor(patch / 3) + 0.5) * 48];
    t.ok(isNear(pixel(...inPanel(0, x, y)), GREEN), `the picture itself, patch ${patch}`);
    for (const [i, visibility] of visibilities.entries()) {
      const veil = 0.92 * (1 - visibility[patch]!) * 255;
      const found = pixel(...inPanel(i + 1, x, y));
      t.ok(isNear(found, [veil, 255, veil], 3), `panel ${i + 1}, patch ${patch}: ${found}`);
    }
  }
});

t.test("alignment: what is hidden ends where its patch ends, and what fills no patch is hidden", async (t) => {
  // 80 × 50 pixels, 1.8 times as large: the patches end at 72 and 48, a strip of 8 and one of 2 are left.
  const { pixel } = await render(alignmentFigure(figure({ width: 80, height: 50, aligned: [shown] })));
  const colour = (x: number, y: number) => pixel(...inPanel(1, 1.8 * x, 1.8 * y));
  t.ok(isNear(colour(71, 20), GREEN), "the last column of patches");
  t.ok(isNear(colour(36, 47), GREEN), "the last row of patches");
  for (const [x, y] of [
    [73, 20],
    [78, 40],
    [36, 49.2],
    [76, 49.2],
  ] as const)
    t.ok(isNear(colour(x, y), HIDDEN), `the strip at ${x}, ${y}: ${colour(x, y)}`);
  t.ok(isNear(pixel(...inPanel(0, 1.8 * 76, 1.8 * 20)), GREEN), "not in the picture itself");

  const one = await render(alignmentFigure(figure({ aligned: [{ words: [1, 2], visibility: [0, 1, 1, 1, 1, 1] }] })));
  t.ok(isNear(one.pixel(...inPanel(1, 46, 46)), HIDDEN));
  for (const [x, y] of [
    [49, 46],
    [46, 49],
  ] as const)
    t.ok(isNear(one.pixel(...inPanel(1, x, y)), GREEN), `beside the hidden patch at ${x}, ${y}`);
});

t.test("alignment: the true box is a pink frame at its place, where it is known", async (t) => {
  const box = { x: 10, y: 6, width: 30, height: 20 };
  const { pixel } = await render(alignmentFigure(figure({ aligned: [{ ...shown, box }, shown] })));
  const isPink = (i: number, x: number, y: number) => {
    const [r, g, b] = pixel(...inPanel(i, x, y));
    return r > 120 && g < 160 && b > 60;
  };
  const pinkIn = (i: number) =>
    Array.from({ length: 140 * 92 }, (_, k) => [2 + (k % 140), 2 + Math.floor(k / 140)] as const).filter(([x, y]) =>
      isPink(i, x, y),
    );
  t.same(pinkIn(0), [], "not in the picture itself");
  t.same(pinkIn(2), [], "not where no box is known");
  const frame = pinkIn(1);
  const [left, top, right, bottom] = [20, 12, 80, 52]; // twice the box
  const isAt = (value: number, line: number) => Math.abs(value + 0.5 - line) <= 1.5;
  t.ok(frame.every(([x, y]) => isAt(x, left) || isAt(x, right) || isAt(y, top) || isAt(y, bottom)));
  t.ok(
    frame.every(([x, y]) => x > left - 2.5 && x < right + 1.5 && y > top - 2.5 && y < bottom + 1.5),
    "nothing beyond the corners",
  );
  for (const [name, part] of Object.entries({
    left: frame.filter(([x]) => isAt(x, left)),
    right: frame.filter(([x]) => isAt(x, right)),
    top: frame.filter(([, y]) => isAt(y, top)),
    bottom: frame.filter(([, y]) => isAt(y, bottom)),
  }))
    t.ok(part.length > 12, `${name}: dashes along it`);
});

t.test("alignment: the caption below each panel, its words in pink where they are aligned", async (t) => {
  const aligned = [
    { ...shown, note: "hit" },
    { ...shown, words: [3, 5] as const },
  ];
  const svg = alignmentFigure(figure({ aligned }));
  const panels = panelsIn(svg);
  t.equal(panels.length, 3, "the picture and two words");
  const pinkIn = (xml: string) => [...xml.matchAll(/<tspan[^>]*#e0218a[^>]*>(.*?)<\/tspan>/g)].map((match) => match[1]);
  t.same(panels.map(pinkIn), [[], ["dog"], ["a", "cat"]]);
  for (const [i, panel] of panels.entries()) {
    const texts = textsIn(panel).map(unescaped);
    t.equal(texts[0], "a dog and a cat");
    t.same(texts.slice(1), i === 1 ? ["hit"] : []);
  }
  const { pixel, width, height } = await render(svg);
  const below = (i: number) =>
    Array.from({ length: 144 * 20 }, (_, k) => pixel(...inPanel(i, k % 144, 97 + Math.floor(k / 144))));
  t.notOk(below(0).some((found) => isNear(found, PINK, 60)));
  for (const i of [1, 2])
    t.ok(
      below(i).some((found) => isNear(found, PINK, 60)),
      `pink letters below panel ${i}`,
    );
  t.ok(width >= 12 + 3 * 156 && width <= 3 * 156 + 24, "as wide as its panels");
  t.ok(height > 12 + 96 + 30, "high enough for the note");
});

t.test(
  "alignment: long captions wrap into lines that fit the panel; more panels than a row holds go below",
  async (t) => {
    const caption = "the quick brown fox jumps over the lazy dog while seventeen purple elephants sing an aria".split(
      " ",
    );
    const word = (at: number) => ({ ...shown, words: [at, at + 1] as const });
    const svg = alignmentFigure(figure({ caption, aligned: [3, 8, 11, 12, 13].map(word) }));
    const panels = panelsIn(svg);
    t.equal(panels.length, 6);
    const fontFiles = ["DejaVuSans.ttf", "DejaVuSans-Bold.ttf"].map((name) =>
      createRequire(import.meta.url).resolve(`dejavu-fonts-ttf/ttf/${name}`),
    );
    const font = { loadSystemFonts: false, fontFiles, defaultFontFamily: "DejaVu Sans" };
    for (const panel of panels) {
      const lines = textsIn(panel);
      t.equal(unescaped(lines.join(" ")), caption.join(" "), "all words in their order");
      t.ok(lines.length >= 4 && lines.length <= 6, `${lines.length} lines of about 22 letters for 89`);
      for (const line of lines) {
        const text = `<svg xmlns="http://www.w3.org/2000/svg" width="900" height="50" font-family="DejaVu Sans" font-size="11"><text y="20">${line}</text></svg>`;
        const { width } = new Resvg(text, { font }).getBBox()!;
        t.ok(width <= 144 + 12, `"${unescaped(line)}" is ${width.toFixed(1)} wide, a panel and its gap 156`);
      }
      const heights = [...panel.matchAll(/<text y="([\d.]+)"/g)].map((match) => Number(match[1]));
      t.ok(heights[0]! > 96 + 8, "below the picture");
      t.ok(heights.every((y, i) => i === 0 || y - heights[i - 1]! >= 11));
    }
    const places = panels.map((panel) => /^"translate\(([\d.]+) ([\d.]+)\)"/.exec(panel)!.slice(1).map(Number));
    t.same(
      places.map(([x]) => x),
      [12, 168, 324, 480, 12, 168],
    );
    const [first, second] = [places[0]![1]!, places[4]![1]!];
    t.ok(second - first > 96 + 5 * 11, "the second row is below the captions of the first");
    const { pixel, height } = await render(svg);
    t.ok(isNear(pixel(12 + 156 + 24, second + 24), GREEN), "the last panel is drawn");
    t.ok(height > second + 96 + 5 * 11, "and its caption is on the page");
  },
);

t.test("alignment: any text and any grid make a document that can be drawn", async (t) => {
  const hostile = ["<b>", "&amp;", '"quoted"', "it's", "</text>", "日本", "]]>"];
  const svg = alignmentFigure(figure({ caption: hostile, aligned: [{ ...shown, words: [0, 7], note: "<i> & more" }] }));
  t.notMatch(svg, /<b>|<i>|&amp;|]]>/);
  t.equal(unescaped(textsIn(panelsIn(svg)[0]!).join(" ")), hostile.join(" "));
  t.equal(unescaped(textsIn(panelsIn(svg)[1]!).at(-1)!), "<i> & more");
  t.doesNotThrow(() => new Resvg(svg));
  const length = fc.integer({ min: 1, max: 300 });
  fc.assert(
    fc.property(
      fc.record({ width: length, height: length, patchSize: fc.integer({ min: 8, max: 64 }) }),
      fc.array(fc.string({ unit: "binary" }), { maxLength: 12 }),
      ({ width, height, patchSize }, caption) => {
        const grid = [Math.floor(height / patchSize), Math.floor(width / patchSize)] as const;
        const visibility = new Float64Array(grid[0] * grid[1]);
        const aligned = [{ words: [0, caption.length] as const, visibility }];
        const drawn = new Resvg(alignmentFigure(figure({ width, height, patchSize, grid, caption, aligned })));
        return drawn.width > 24 && drawn.height > 24;
      },
    ),
    { numRuns: 60 },
  );
});

/** The `d` of each line of a chart, as runs of points. */
const linesOf = (svg: string) =>
  [...svg.matchAll(/aria-roledescription="line mark" d="([^"]*)"/g)].map((match) =>
    match[1]!
      .split("M")
      .slice(1)
      .map((run) => run.split("L").map((point) => point.split(",").map(Number) as [number, number])),
  );
const chart = {
  title: "T & t",
  xLabel: "step <n>",
  yLabel: "loss",
  width: 400,
  height: 200,
  yDomain: [0, 10] as const,
};

t.test(
  "line chart: one path for each line, its points in place, a name in the legend, labels and references",
  async (t) => {
    const points: ChartPoint[] = [0, 1, 2, 4].flatMap((x) => [
      { x, y: 2 * x, line: "words & <pieces>" },
      { x, y: 10 - x, line: "pairs" },
    ]);
    const svg = await lineChart({ ...chart, points, references: [{ y: 5, label: "chance" }] });
    t.same(
      linesOf(svg),
      [
        [
          [0, 200],
          [100, 160],
          [200, 120],
          [400, 40],
        ], // x of 0 … 4 over 400, y of 0 … 10 over 200 from below
        [
          [0, 0],
          [100, 20],
          [200, 40],
          [400, 80],
        ],
      ].map((line) => [line]),
    );
    const texts = textsIn(svg).map((text) =>
      text.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&"),
    );
    for (const text of ["T & t", "step <n>", "loss", "words & <pieces>", "pairs", "chance"])
      t.equal(texts.filter((found) => found === text).length, 1, text);
    const colours = [...svg.matchAll(/aria-roledescription="line mark" d="[^"]*" stroke="([^"]*)"/g)].map(([, c]) => c);
    t.equal(new Set(colours).size, 2, "lines differ in colour");
    for (const colour of colours)
      t.equal(svg.split(`stroke="${colour}"`).length - 1, 2, "the line and its mark in the legend");
    const reference = /translate\(400,(\d+)\)" x2="-400"[^>]*stroke-dasharray/.exec(svg);
    t.equal(reference?.[1], "100", "5 of 10 is half-way up");
    const { width, height } = await sharp(svgToPng(svg, 1)).metadata();
    t.ok(width > 400 && height > 200);
  },
);

t.test("line chart: NaN and ±∞ leave a gap and do not stretch the axes", async (t) => {
  const values = [1, 2, Number.NaN, 4, 5, Infinity, 7, 8];
  const points = values.map((y, x) => ({ x, y, line: "loss" }));
  const [line] = linesOf(await lineChart({ ...chart, points, width: 700 }));
  t.same(line, [
    [
      [0, 180],
      [100, 160],
    ],
    [
      [300, 120],
      [400, 100],
    ],
    [
      [600, 60],
      [700, 40],
    ],
  ]);
  const { yDomain, ...free } = chart;
  const [unscaled] = linesOf(await lineChart({ ...free, points }));
  t.equal(unscaled!.length, 3);
  t.ok(unscaled!.flat().every(([x, y]) => x >= 0 && x <= 400 && y >= 0 && y <= 200));
  for (const none of [[], [{ x: 0, y: Number.NaN, line: "loss" }]])
    t.same(linesOf(await lineChart({ ...chart, points: none })).flat(), []);
});

t.test(
  "PNG: the document's size times the zoom, white where nothing is drawn, letters without system fonts",
  async (t) => {
    const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="90" height="40"><rect x="60" y="0" width="30" height="40" fill="#0000ff"/><text x="4" y="25" font-family="DejaVu Sans" font-size="20">Wort</text></svg>`;
    for (const [zoom, width, height] of [
      [undefined, 180, 80],
      [1, 90, 40],
      [3, 270, 120],
    ] as const) {
      const { format, ...metadata } = await sharp(svgToPng(svg, zoom)).metadata();
      t.same([format, metadata.width, metadata.height], ["png", width, height]);
    }
    const { pixel } = await render(svg);
    t.same(pixel(1, 1), [255, 255, 255]);
    t.same(pixel(75, 20), [0, 0, 255]);
    const ink = Array.from({ length: 55 * 40 }, (_, k) => pixel(k % 55, Math.floor(k / 55))[0]!).filter((r) => r < 128);
    t.ok(ink.length > 60, `${ink.length} dark pixels of letters`);
    t.throws(() => svgToPng("<svg"));
  },
);

t.test("escape: the five characters of markup and back again; nothing that XML cannot hold", async (t) => {
  t.equal(escapeXml(`a<b>&"c"'`), "a&#60;b&#62;&#38;&#34;c&#34;&#39;");
  t.equal(escapeXml("日本 é 😀 ;#60\t\n"), "日本 é 😀 ;#60\t\n");
  t.equal(escapeXml("a\u0000b\u001b\uFFFE\uD800c"), "a\uFFFDb\uFFFD\uFFFD\uFFFDc");
  fc.assert(
    fc.property(fc.string({ unit: "grapheme" }), (text) => {
      const escaped = escapeXml(text);
      return !/[<>"']|&(?!#\d+;)/.test(escaped) && unescaped(escaped) === text;
    }),
  );
});
