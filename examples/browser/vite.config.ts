import { defineConfig } from "vite";

/** A page with these headers is cross-origin isolated: only then may WebAssembly use several threads. */
const headers = {
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
};

export default defineConfig({
  root: import.meta.dirname,
  base: "./",
  server: { headers },
  preview: { headers },
  build: { target: "es2022" },
  worker: { format: "es" }, // the worker loads gpu.js only when it is asked for
});
