import { escapeXml } from "./xml.ts";

/** A rectangle in pixels of the picture. */
export interface Rectangle {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** How one word of a caption lies on the picture. */
export interface AlignedWord {
  /** [start, end): the words of the caption that are highlighted. */
  readonly words: readonly [number, number];
  /** What is seen of each patch, row by row: 0 hidden, 1 shown in full. */
  readonly visibility: ArrayLike<number>;
  /** Where the thing truly is, if that is known. */
  readonly box?: Rectangle;
  /** A short remark below the panel, such as hit or miss. */
  readonly note?: string;
}

/** A picture and the patches it is cut into. */
export interface PatchedPicture {
  /** Of the picture, as a `data:` address. */
  readonly picture: string;
  /** Size of the picture in pixels. */
  readonly width: number;
  readonly height: number;
  /** Rows and columns of patches. */
  readonly grid: readonly [number, number];
  /** Side of a patch in pixels of the picture. */
  readonly patchSize: number;
}

export interface AlignmentFigure extends PatchedPicture {
  /** The words of the caption. */
  readonly caption: readonly string[];
  readonly aligned: readonly AlignedWord[];
}

/** Longer side of a panel, distance between panels, height of a line of text. */
const [SIDE, GAP, LINE] = [144, 12, 15];
const PANELS_IN_ROW = 4;
const HIGHLIGHT = "#e0218a";

/**
 * The picture, and beside it one panel for each word with only those patches visible on which the word's mass lies
 * (Kim et al. 2021, Figure 4); the caption stands below each panel with the word in pink. A dashed frame is the true box.
 *
 * @returns an SVG document
 */
export function alignmentFigure(figure: AlignmentFigure): string {
  const scale = SIDE / Math.max(figure.width, figure.height);
  const [width, height] = [figure.width * scale, figure.height * scale];
  const lines = wrap(figure.caption, width);
  const cell = { width: width + GAP, height: height + (lines.length + 1) * LINE + GAP };
  const panels = [null, ...figure.aligned].map((word, i) => {
    const [x, y] = [GAP + (i % PANELS_IN_ROW) * cell.width, GAP + Math.floor(i / PANELS_IN_ROW) * cell.height];
    return `<g transform="translate(${round(x)} ${round(y)})">${panel(figure, word, scale, lines)}</g>`;
  });
  const columns = Math.min(panels.length, PANELS_IN_ROW);
  const [totalWidth, totalHeight] = [
    GAP + columns * cell.width,
    GAP + Math.ceil(panels.length / PANELS_IN_ROW) * cell.height,
  ].map(Math.ceil);
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${totalWidth}" height="${totalHeight}" viewBox="0 0 ${totalWidth} ${totalHeight}" font-family="DejaVu Sans, sans-serif" font-size="11">
<rect width="100%" height="100%" fill="white"/>
${panels.join("\n")}
</svg>`;
}

function panel(figure: AlignmentFigure, word: AlignedWord | null, scale: number, lines: Line[]): string {
  const [width, height] = [figure.width * scale, figure.height * scale].map(round);
  const image = `<image href="${figure.picture}" width="${width}" height="${height}" preserveAspectRatio="none"/>`;
  const frame = `<rect width="${width}" height="${height}" fill="none" stroke="#bbb"/>`;
  const veil = word ? hiddenPatches(figure, word, scale) : "";
  const box = word?.box ? trueBox(word.box, scale) : "";
  const below = (line: number) => `y="${round(height! + (line + 1) * LINE)}"`;
  const text = lines.map((line, i) => `<text ${below(i)}>${spell(line, word)}</text>`);
  const note = word?.note ? `<text ${below(lines.length)} fill="#777">${escapeXml(word.note)}</text>` : "";
  return `${image}${veil}${frame}${box}${text.join("")}${note}`;
}

/** White over every patch, as opaque as the patch is hidden, and over the strip that fills no patch. */
function hiddenPatches({ grid, patchSize, width, height }: AlignmentFigure, word: AlignedWord, scale: number): string {
  const [rows, columns] = grid;
  const cover = (x: number, y: number, w: number, h: number, opacity: number) =>
    opacity <= 0 || w <= 0 || h <= 0
      ? ""
      : `<rect x="${round(x * scale)}" y="${round(y * scale)}" width="${round(w * scale)}" height="${round(h * scale)}" fill="white" fill-opacity="${round(opacity)}" shape-rendering="crispEdges"/>`;
  const cells = Array.from({ length: rows * columns }, (_, k) => {
    const [x, y] = [(k % columns) * patchSize, Math.floor(k / columns) * patchSize];
    return cover(x, y, patchSize, patchSize, 0.92 * (1 - word.visibility[k]!));
  });
  const [right, bottom] = [columns * patchSize, rows * patchSize];
  return [...cells, cover(right, 0, width - right, height, 0.92), cover(0, bottom, right, height - bottom, 0.92)].join(
    "",
  );
}

function trueBox({ x, y, width, height }: Rectangle, scale: number): string {
  const at = [x, y, width, height].map((value) => round(value * scale));
  return `<rect x="${at[0]}" y="${at[1]}" width="${at[2]}" height="${at[3]}" fill="none" stroke="${HIGHLIGHT}" stroke-width="1.5" stroke-dasharray="4 3"/>`;
}

/** Words of a caption that stand in one line, with the number of the first. */
interface Line {
  readonly first: number;
  readonly words: readonly string[];
}

/** A letter of 11 px DejaVu Sans is about 6.4 px wide. */
function wrap(words: readonly string[], width: number): Line[] {
  const lines: { first: number; words: string[] }[] = [];
  const most = Math.max(8, Math.floor(width / 6.4));
  let length = Infinity;
  for (const [i, word] of words.entries()) {
    length += word.length + 1;
    if (length > most) {
      lines.push({ first: i, words: [] });
      length = word.length;
    }
    lines.at(-1)!.words.push(word);
  }
  return lines;
}

function spell({ first, words }: Line, aligned: AlignedWord | null): string {
  const spelled = words.map((word, i) => {
    const isHighlighted = aligned && first + i >= aligned.words[0] && first + i < aligned.words[1];
    return isHighlighted ? `<tspan fill="${HIGHLIGHT}" font-weight="bold">${escapeXml(word)}</tspan>` : escapeXml(word);
  });
  return spelled.join(" ");
}

const round = (value: number) => Math.round(value * 100) / 100;
