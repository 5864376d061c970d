import { createRequire } from "node:module";

const fonts = ["DejaVuSans.ttf", "DejaVuSans-Bold.ttf"];

/** An SVG document as PNG bytes, on white, `zoom` times as large. */
export function svgToPng(svg: string, zoom = 2): Uint8Array {
  const require = createRequire(import.meta.url);
  const { Resvg } = require("@resvg/resvg-js") as typeof import("@resvg/resvg-js"); // when needed: it is not small
  const fontFiles = fonts.map((name) => require.resolve(`dejavu-fonts-ttf/ttf/${name}`));
  const font = { loadSystemFonts: false, fontFiles, defaultFontFamily: "DejaVu Sans" };
  return new Resvg(svg, { background: "white", fitTo: { mode: "zoom", value: zoom }, font }).render().asPng();
}
