import { createRequire } from "node:module";
import { Resvg } from "@resvg/resvg-js";

const fonts = ["DejaVuSans.ttf", "DejaVuSans-Bold.ttf"];

/** An SVG document as PNG bytes, on white, `zoom` times as large. */
export function svgToPng(svg: string, zoom = 2): Uint8Array {
  const { resolve } = createRequire(import.meta.url);
  const fontFiles = fonts.map((name) => resolve(`dejavu-fonts-ttf/ttf/${name}`));
  const font = { loadSystemFonts: false, fontFiles, defaultFontFamily: "DejaVu Sans" };
  return new Resvg(svg, { background: "white", fitTo: { mode: "zoom", value: zoom }, font }).render().asPng();
}
