import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";

/** With these headers a page may use the threads of the wasm device, for comparison. */
const headers = {
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
};

export default defineConfig({
  root: fileURLToPath(new URL(".", import.meta.url)),
  base: "./",
  server: { headers, fs: { allow: [fileURLToPath(new URL("../..", import.meta.url))] } },
  preview: { headers },
  build: { target: "es2022", chunkSizeWarningLimit: 2000 },
  worker: { format: "es" },
});
