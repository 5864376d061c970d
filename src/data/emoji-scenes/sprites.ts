import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { getIconData, iconToHTML, iconToSVG } from "@iconify/utils";
import { DataError } from "../../tensor/errors.ts";
import { isFit, type Kind, type Style } from "./nouns.ts";

type IconSet = Parameters<typeof getIconData>[0];
type Icon = NonNullable<ReturnType<typeof getIconData>>;

/** A square drawing: `color` [3, size, size] in [0, 1] already multiplied by its opacity, `clear` [size, size] = 1 − opacity. */
export interface Sprite {
  readonly size: number;
  readonly color: Float32Array;
  readonly clear: Float32Array;
}

const require = createRequire(import.meta.url);
const readJson = (specifier: string): unknown => JSON.parse(readFileSync(require.resolve(specifier), "utf8"));

let unicodeNames: Record<string, { readonly slug: string }> | undefined;
const iconSets = new Map<Style, IconSet>();
const drawings = new Map<string, Icon | null>();
const sprites = new Map<string, Sprite>();

function iconSet(style: Style): IconSet {
  const known = iconSets.get(style);
  if (known) return known;
  const loaded = readJson(`@iconify-json/${style}/icons.json`) as IconSet;
  iconSets.set(style, loaded);
  return loaded;
}

/** The names a drawing may have, best first: Unicode's for its character ("cat-face"), then our own ("cat"). */
export function iconNames({ emoji, aliases }: Kind): string[] {
  unicodeNames ??= readJson("unicode-emoji-json/data-by-emoji.json") as Record<string, { slug: string }>;
  return [unicodeNames[emoji]!.slug.replaceAll("_", "-"), ...aliases];
}

/** Whether a style has a fit drawing under one of its names; fxemoji, which names in its own way, has no apple and tree. */
export function hasDrawing(style: Style, kind: Kind): boolean {
  return isFit(style, kind) && drawingOf(style, kind) !== null;
}

function drawingOf(style: Style, kind: Kind): Icon | null {
  const key = `${style} ${kind.emoji} ${kind.aliases}`;
  let drawing = drawings.get(key);
  if (drawing === undefined) {
    const set = iconSet(style);
    drawing = null;
    for (const name of iconNames(kind)) drawing ??= getIconData(set, name);
    drawings.set(key, drawing);
  }
  return drawing;
}

/**
 * The drawing of a kind at `size` × `size` pixels, rendered on first use and kept.
 * @throws {DataError} when the style does not draw it
 */
export function sprite(style: Style, kind: Kind, size: number): Sprite {
  const key = `${style} ${kind.emoji} ${size}`;
  let drawn = sprites.get(key);
  if (!drawn) {
    const icon = drawingOf(style, kind);
    if (!icon) throw new DataError(`emoji-scenes: ${style} has no drawing of ${iconNames(kind).join(" or ")}`);
    drawn = rasterize(squareSvg(icon), size);
    sprites.set(key, drawn);
  }
  return drawn;
}

/** A drawing that is wider than high, or the other way round, is centred in a square. */
function squareSvg(icon: Icon): string {
  const { body, viewBox } = iconToSVG(icon);
  const [left, top, width, height] = viewBox;
  const side = Math.max(width, height);
  const square = [left - (side - width) / 2, top - (side - height) / 2, side, side].join(" ");
  return iconToHTML(body, { viewBox: square, width: String(side), height: String(side) });
}

/** resvg's pixels are premultiplied, as compositing wants them. */
function rasterize(svg: string, size: number): Sprite {
  const options = { fitTo: { mode: "width", value: size }, font: { loadSystemFonts: false } } as const;
  const { Resvg } = require("@resvg/resvg-js") as typeof import("@resvg/resvg-js");
  const { pixels } = new Resvg(svg, options).render();
  const area = size * size;
  const color = new Float32Array(3 * area);
  const clear = new Float32Array(area);
  for (let i = 0; i < area; i++) {
    for (let c = 0; c < 3; c++) color[c * area + i] = pixels[4 * i + c]! / 255;
    clear[i] = 1 - pixels[4 * i + 3]! / 255;
  }
  return { size, color, clear };
}
