// Makes a few files of the library's modules for Node, dist/bundle/, with the little that they need of small packages: a
// program then starts in a fraction of the time that hundreds of files take. Chunks are loaded when they are asked for.

import { rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const at = (path) => fileURLToPath(new URL(`../${path}`, import.meta.url));

/** Packages that are taken in, as far as they are used; all others are found in node_modules when they are needed. */
const INLINE = ["zod", "ndarray", "seedrandom", "@dagrejs/dagre", "@iconify/utils", "@huggingface/tokenizers"];

rmSync(at("dist/bundle"), { recursive: true, force: true });
await build({
  entryPoints: ["index", "cli/main"].map((entry) => at(`dist/${entry}.js`)),
  outdir: at("dist/bundle"),
  outbase: at("dist"),
  bundle: true,
  splitting: true,
  format: "esm",
  platform: "node",
  target: "node20",
  sourcemap: true,
  sourcesContent: false,
  logLevel: "warning",
  plugins: [
    {
      name: "packages",
      setup({ onResolve }) {
        onResolve({ filter: /^[^./]/ }, ({ path, kind, importer }) => {
          const isOurs = importer.startsWith(at("dist/"));
          const isInline = INLINE.some((name) => `${path}/`.startsWith(`${name}/`)) || !isOurs;
          return kind === "entry-point" || isInline ? null : { path, external: true };
        });
      },
    },
  ],
});

// What browsers can use is part of the same modules; as an entry of its own it would cut them into more chunks to load.
const names = Object.keys(await import("../dist/browser.js"));
writeFileSync(at("dist/bundle/browser.js"), `export { ${names.join(", ")} } from "./index.js";\n`);
