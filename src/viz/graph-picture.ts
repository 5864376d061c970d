import { Graph, layout } from "@dagrejs/dagre";
import type { Picture, PictureNode } from "./graph.ts";
import { escapeXml } from "./xml.ts";

/** Fill and frame of each kind of box; leaves are round. */
const STYLES: Record<PictureNode["kind"], { fill: string; stroke: string; round: number; dash?: string }> = {
  operation: { fill: "#eef4fb", stroke: "#4a7ab5", round: 2 },
  parameter: { fill: "#e9f5e6", stroke: "#4f9a45", round: 12 },
  variable: { fill: "#fdf4dc", stroke: "#c79a2b", round: 12 },
  constant: { fill: "#f3f3f3", stroke: "#999999", round: 12 },
  more: { fill: "#ffffff", stroke: "#999999", round: 2, dash: "4 3" },
};

/** Height of a line of text, margin inside of a box, and about how wide a letter of 11 px DejaVu Sans is. */
const [LINE, MARGIN, LETTER] = [15, 8, 6.9];

/** Boxes in layers from the leaves at the top to the results at the bottom, laid out by dagre. */
export function svgOf({ nodes, edges }: Picture): string {
  const graph = new Graph({ multigraph: true });
  graph.setGraph({ rankdir: "TB", nodesep: 18, ranksep: 40, marginx: 12, marginy: 12 });
  for (const [i, node] of nodes.entries()) graph.setNode(String(i), sizeOf(node));
  for (const [i, { from, to }] of edges.entries()) graph.setEdge(String(from), String(to), {}, String(i));
  layout(graph);
  const { width = 0, height = 0 } = graph.graph() as { width?: number; height?: number };
  const boxOf = (i: number) => graph.node(String(i)) as Box;
  const paths = edges.map(({ from, to }, i) => graph.edge(String(from), String(to), String(i)) as { points: Point[] });
  const ends = arrivals(edges, paths, boxOf);
  const lines = edges.map(({ from }, i) => line(leaving(boxOf(from), paths[i]!.points, ends[i]!)));
  const labels = edges.map(({ input }, i) => (input === undefined ? "" : label(ends[i]!, input)));
  const boxes = nodes.map((node, i) => box(node, boxOf(i)));
  const [w, h] = [Math.ceil(width), Math.ceil(height)];
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${w}" height="${h}" viewBox="0 0 ${w} ${h}" font-family="DejaVu Sans, sans-serif" font-size="11">
<defs><marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto"><path d="M0 0L8 4L0 8z" fill="#777"/></marker></defs>
<rect width="100%" height="100%" fill="white"/>
${[...lines, ...boxes, ...labels].join("\n")}
</svg>`;
}

interface Point {
  readonly x: number;
  readonly y: number;
}

interface Box extends Point {
  readonly width: number;
  readonly height: number;
}

function sizeOf({ title, lines }: PictureNode): { width: number; height: number } {
  const letters = Math.max(title.length * 1.1, ...lines.map((line) => line.length));
  return { width: Math.max(40, letters * LETTER + 2 * MARGIN), height: (1 + lines.length) * LINE + MARGIN };
}

function box({ kind, title, lines, isResult }: PictureNode, { x, y, width, height }: Box): string {
  const { fill, stroke, round: radius, dash } = STYLES[kind];
  const texts = [title, ...lines].map((line, i) => {
    const weight = i === 0 ? ' font-weight="bold"' : ' fill="#444"';
    return `<text x="${round(x)}" y="${round(y - height / 2 + (i + 1) * LINE)}"${weight}>${escapeXml(line)}</text>`;
  });
  const frame = `stroke="${stroke}" stroke-width="${isResult ? 2.5 : 1}"${dash ? ` stroke-dasharray="${dash}"` : ""}`;
  return `<g text-anchor="middle"><rect x="${round(x - width / 2)}" y="${round(y - height / 2)}" width="${round(width)}" height="${round(height)}" rx="${radius}" fill="${fill}" ${frame}/>${texts.join("")}</g>`;
}

/**
 * Where each line ends: evenly along the top of its box, from left to right as they come. (dagre lets a line end where it
 * meets the frame on its way to the middle of the box, and on that way it may cross a neighbour.)
 */
function arrivals(edges: Picture["edges"], paths: readonly { points: Point[] }[], boxOf: (i: number) => Box): Point[] {
  const comesFrom = (i: number) => paths[i]!.points.at(-2)!.x;
  return edges.map(({ to }, i) => {
    const { x, y, width, height } = boxOf(to);
    const siblings = edges.flatMap((other, k) => (other.to === to ? [k] : []));
    const place = siblings.sort((a, b) => comesFrom(a) - comesFrom(b) || a - b).indexOf(i);
    return { x: x - width / 2 + (width * (place + 0.5)) / siblings.length, y: y - height / 2 };
  });
}

/** From the bottom of a box, as near as can be to where the line goes, through the gaps between the rows. */
function leaving({ x, y, width, height }: Box, points: readonly Point[], end: Point): Point[] {
  const inner = points.slice(1, -1);
  const reach = width / 2 - MARGIN;
  return [{ x: Math.min(x + reach, Math.max(x - reach, inner[0]!.x)), y: y + height / 2 }, ...inner, end];
}

function line(points: readonly Point[]): string {
  const path = points.map(({ x, y }, i) => `${i === 0 ? "M" : "L"}${round(x)} ${round(y)}`).join("");
  return `<path d="${path}" fill="none" stroke="#777" marker-end="url(#arrow)"/>`;
}

/** The number of an input, beside the end of its line. */
function label({ x, y }: Point, input: number): string {
  return `<text x="${round(x + 6)}" y="${round(y - 3)}" font-size="9" fill="#777" stroke="white" stroke-width="2" paint-order="stroke">${input}</text>`;
}

const round = (value: number) => Math.round(value * 10) / 10;

/** The same in the language of Graphviz. */
export function dotOf({ nodes, edges }: Picture): string {
  const boxes = nodes.map(({ kind, title, lines, isResult }, i) => {
    const { fill, stroke, round, dash } = STYLES[kind];
    const style = ["filled", ...(round > 2 ? ["rounded"] : []), ...(dash ? ["dashed"] : [])].join(",");
    const label = [title, ...lines].map(escapeDot).join("\\n");
    return `  n${i} [label="${label}", style="${style}", fillcolor="${fill}", color="${stroke}"${isResult ? ", penwidth=2" : ""}];`;
  });
  const lines = edges.map(
    ({ from, to, input }) => `  n${from} -> n${to}${input === undefined ? "" : ` [headlabel="${input}"]`};`,
  );
  return `digraph {\n  rankdir=TB;\n  node [shape=box, fontname="sans-serif", fontsize=11];\n${[...boxes, ...lines].join("\n")}\n}\n`;
}

const escapeDot = (text: string) => text.replace(/["\\]/g, "\\$&");
