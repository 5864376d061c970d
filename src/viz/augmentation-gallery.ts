import { escapeXml } from "./xml.ts";

/** A picture as a `data:` address, with what is written below it. */
export interface GalleryPicture {
  readonly picture: string;
  readonly note: string;
}

/** One operation, from left to right with rising magnitude. */
export interface GalleryRow {
  readonly name: string;
  readonly remark: string;
  readonly pictures: readonly GalleryPicture[];
}

/** Why an operation is left out: a captioned picture, and what the operation would make of it. */
export interface GalleryArgument {
  readonly title: string;
  readonly before: GalleryPicture;
  readonly after: GalleryPicture;
  /** The word of the notes that decides, which is highlighted. */
  readonly word: string;
  /** Lines of text beside the pictures. */
  readonly text: readonly string[];
}

export interface AugmentationGallery {
  readonly title: string;
  /** What stands above the pictures of every row. */
  readonly columns: readonly string[];
  /** Groups of rows, side by side. */
  readonly groups: readonly { readonly title: string; readonly rows: readonly GalleryRow[] }[];
  /** Below the last group. */
  readonly arguments: readonly GalleryArgument[];
}

/** Side of a picture, distance between two, height of a line of text, width of a row's name, side of an argument's picture. */
const [SIDE, GAP, LINE, NAME, LARGE] = [84, 10, 15, 104, 132];
const MARGIN = 16;
const HEAD = 3 * LINE + GAP;
const [ROW, ARGUMENT] = [SIDE + LINE + GAP, LARGE + 3 * LINE + GAP];
const HIGHLIGHT = "#e0218a";

/**
 * Operations on one picture at several magnitudes, named, and beside them why some are left out (Kim et al. 2021, §3.4).
 *
 * @returns an SVG document
 */
export function augmentationGallery({ title, columns, groups, arguments: reasons }: AugmentationGallery): string {
  const groupWidth = NAME + columns.length * (SIDE + GAP);
  const top = MARGIN + 2 * LINE;
  const left = (group: number) => MARGIN + group * (groupWidth + 2 * MARGIN);
  const heights = groups.map(({ rows }) => HEAD + rows.length * ROW);
  const reasonsAt = top + (heights.at(-1) ?? 0) + GAP;
  const width = left(groups.length) - MARGIN;
  const height = Math.max(top + Math.max(...heights, 0), reasonsAt + reasons.length * ARGUMENT) + MARGIN;
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="DejaVu Sans, sans-serif" font-size="11">
<rect width="100%" height="100%" fill="white"/>
${text(MARGIN, MARGIN + LINE, title, 'font-size="16" font-weight="bold"')}
${groups.map((group, i) => at(left(i), top, groupOf(group, columns))).join("\n")}
${reasons.map((reason, i) => at(left(groups.length - 1), reasonsAt + i * ARGUMENT, argumentOf(reason))).join("\n")}
</svg>`;
}

function groupOf({ title, rows }: AugmentationGallery["groups"][number], columns: readonly string[]): string {
  const x = (column: number) => NAME + column * (SIDE + GAP);
  return [
    text(0, 2 * LINE, title, 'font-size="13" font-weight="bold"'),
    ...columns.map((column, i) => text(x(i) + SIDE / 2, HEAD - GAP, column, 'text-anchor="middle" fill="#555"')),
    ...rows.map(({ name, remark, pictures }, row) =>
      at(0, HEAD + row * ROW, [
        text(0, SIDE / 2, name, 'font-weight="bold"'),
        text(0, SIDE / 2 + LINE, remark, 'fill="#777" font-size="10"'),
        ...pictures.map(({ picture, note }, i) =>
          at(x(i), 0, [
            image(picture, SIDE),
            text(SIDE / 2, SIDE + LINE - 3, note, 'text-anchor="middle" fill="#555" font-size="10"'),
          ]),
        ),
      ]),
    ),
  ].join("\n");
}

function argumentOf({ title, before, after, word, text: lines }: GalleryArgument): string {
  const captioned = ({ picture, note }: GalleryPicture, x: number) =>
    at(x, LINE + GAP, [
      image(picture, LARGE),
      `<text x="${LARGE / 2}" y="${LARGE + LINE}" text-anchor="middle">${highlight(note, word)}</text>`,
    ]);
  const beside = 2 * (LARGE + 3 * GAP);
  return [
    text(0, LINE, title, 'font-size="13" font-weight="bold"'),
    captioned(before, 0),
    text(LARGE + 1.5 * GAP, LINE + GAP + LARGE / 2, "→", 'text-anchor="middle" font-size="16"'),
    captioned(after, LARGE + 3 * GAP),
    ...lines.map((line, i) => text(beside, 2 * LINE + GAP + i * LINE, line, 'fill="#333"')),
  ].join("");
}

function at(x: number, y: number, content: string | readonly string[]): string {
  return `<g transform="translate(${x} ${y})">${typeof content === "string" ? content : content.join("")}</g>`;
}

function text(x: number, y: number, content: string, style: string): string {
  return `<text x="${x}" y="${y}" ${style}>${escapeXml(content)}</text>`;
}

function image(picture: string, side: number): string {
  return `<image href="${escapeXml(picture)}" width="${side}" height="${side}"/><rect width="${side}" height="${side}" fill="none" stroke="#bbb"/>`;
}

function highlight(caption: string, word: string): string {
  const spelled = caption
    .split(" ")
    .map((part) =>
      part === word ? `<tspan fill="${HIGHLIGHT}" font-weight="bold">${escapeXml(part)}</tspan>` : escapeXml(part),
    );
  return spelled.join(" ");
}
