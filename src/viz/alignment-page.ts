import type { PatchedPicture } from "./alignment.ts";
import { escapeXml } from "./xml.ts";

/** How the words of a caption relate to the patches of a picture, in one way of asking. */
export interface WordPatchMap {
  readonly name: string;
  /** For each word and patch, row by row: 0 = nothing to show, 1 = shown in full. */
  readonly visibility: readonly (readonly number[])[];
}

export interface AlignmentPage extends PatchedPicture {
  readonly words: readonly string[];
  readonly maps: readonly WordPatchMap[];
}

/** Longer side of the picture on the page. */
const SIDE = 384;

const STYLE = `
  .alignment .words button { font: inherit; border: 0; background: none; padding: .1rem .3rem; cursor: pointer; border-radius: .3rem; }
  .alignment .words button[aria-pressed=true] { color: #e0218a; font-weight: bold; }
  .alignment .picture { position: relative; margin: 1rem 0; }
  .alignment .picture i { position: absolute; box-sizing: border-box; background: white; cursor: pointer; }
  .alignment .picture i.chosen { outline: 2px solid #e0218a; z-index: 1; }`;

/**
 * The inside of a page on which one clicks a word and sees its patches, or a patch and sees its words, in each of the
 * maps. It needs no other file.
 */
export function alignmentPage(page: AlignmentPage): string {
  const { picture, width, height, grid, patchSize, words, maps } = page;
  const scale = SIDE / Math.max(width, height);
  const [rows, columns] = grid;
  const cells = Array.from({ length: rows * columns }, (_, k) => {
    const at = [k % columns, Math.floor(k / columns)].map((i) => i * patchSize * scale);
    const side = patchSize * scale;
    return `<i data-patch="${k}" style="left:${at[0]}px;top:${at[1]}px;width:${side}px;height:${side}px;opacity:0"></i>`;
  });
  const options = maps.map(({ name }, i) => `<option value="${i}">${escapeXml(name)}</option>`);
  const buttons = words.map((word, i) => `<button data-word="${i}" aria-pressed="false">${escapeXml(word)}</button>`);
  return `<style>${STYLE}
</style>
<div class="alignment">
<p>Click a word to see the patches it lies on, or a patch to see the words that lie on it.</p>
<label>Show <select>${options.join("")}</select></label>
<p class="words">${buttons.join(" ")}</p>
<div class="picture" style="width:${width * scale}px;height:${height * scale}px">
<img src="${picture}" alt="" style="width:100%;height:100%;image-rendering:pixelated">
${cells.join("")}
</div>
</div>
<script>${script(maps)}</script>`;
}

/** @param maps as JSON without a character that could end the script */
function script(maps: readonly WordPatchMap[]): string {
  const rounded = maps.map(({ visibility }) =>
    visibility.map((row) => row.map((value) => Math.round(value * 1e4) / 1e4)),
  );
  return `
const maps = ${JSON.stringify(rounded)};
const root = document.querySelector(".alignment");
const all = (selector) => [...root.querySelectorAll(selector)];
const [select] = all("select"), words = all("[data-word]"), patches = all("[data-patch]");
let choice = { word: 0 };
function show() {
  const map = maps[select.value];
  words.forEach((button, w) => {
    const share = choice.patch === undefined ? 0 : map[w][choice.patch];
    button.style.background = "rgba(224, 33, 138, " + 0.6 * share + ")";
    button.setAttribute("aria-pressed", String(choice.word === w));
  });
  patches.forEach((cell, p) => {
    cell.style.opacity = choice.word === undefined ? 0 : 0.92 * (1 - map[choice.word][p]);
    cell.classList.toggle("chosen", choice.patch === p);
  });
}
words.forEach((button, word) => button.addEventListener("click", () => { choice = { word }; show(); }));
patches.forEach((cell, patch) => cell.addEventListener("click", () => { choice = { patch }; show(); }));
select.addEventListener("change", show);
show();
`;
}
