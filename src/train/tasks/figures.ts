import type { PlanarImage } from "../../data/image.ts";
import { escapeXml } from "../../viz/xml.ts";
import { pictureAddress } from "../alignment-picture.ts";

/** What a model says, with how sure it is. */
export interface Verdict {
  readonly text: string;
  /** In [0, 1]. */
  readonly share: number;
  readonly isRight: boolean;
}

/** Pictures with a text below them and what a model says of it, the likeliest first. */
export async function pictureFigure(
  pictures: readonly PlanarImage[],
  text: string,
  verdicts: readonly Verdict[],
): Promise<string> {
  const images = await Promise.all(
    pictures.map(async (picture) => {
      const scale = Math.max(1, Math.round(112 / Math.max(picture.width, picture.height)));
      const size = `width="${picture.width * scale}" height="${picture.height * scale}"`;
      return `<img alt="" ${size} src="${await pictureAddress(picture)}">`;
    }),
  );
  const lines = verdicts.map(({ text, share, isRight }) => {
    const mark = isRight ? "✓" : "✗";
    const bar = `<span class="bar" style="width:${(share * 100).toFixed(0)}%"></span>`;
    return `<li class="${isRight ? "right" : "wrong"}">${bar}<span>${mark} ${escapeXml(text)}</span><span>${share.toFixed(2)}</span></li>`;
  });
  return `<figure class="verdict"><div>${images.join("")}</div><figcaption>${escapeXml(text)}</figcaption><ol>${lines.join("")}</ol></figure>`;
}

/** The style that these figures need. */
export const FIGURE_STYLE = `<style>
  figure.verdict { margin: 0; width: 15rem; } figure.verdict img { image-rendering: pixelated; margin-right: .4rem; }
  figure.verdict figcaption { font-weight: 600; margin: .3rem 0; }
  figure.verdict ol { list-style: none; margin: 0; padding: 0; font-size: .85rem; }
  figure.verdict li { position: relative; display: flex; justify-content: space-between; gap: .5rem; padding: .05rem .3rem; }
  figure.verdict li span { position: relative; } figure.verdict li .bar { position: absolute; inset: 1px auto 1px 0; background: #e4e4e4; }
  figure.verdict li.right .bar { background: #bfe3c6; } figure.verdict li.right { font-weight: 600; }
</style>`;
