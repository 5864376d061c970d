import { fileURLToPath } from "node:url";
import t from "tap";
import { build } from "vite";
import type { GpuCounters } from "../../src/tensor/devices.ts";
import { launch, serve, skip } from "./chromium.ts";

interface Result {
  readonly name: string;
  readonly device: string;
  readonly medianMs: number;
  readonly counters: GpuCounters | null;
}

t.test(
  "bench -- gpu --page: one click times every mode and counts what moves, another copies the table",
  { skip },
  async (t) => {
    const outDir = t.testdir({});
    const configFile = fileURLToPath(new URL("../../bench/gpu/vite.config.mjs", import.meta.url));
    const src = fileURLToPath(new URL("../../src", import.meta.url));
    const alias = [{ find: /^(?:\.\.\/)+dist\/(.*)\.js$/, replacement: `${src}/$1.ts` }];
    await build({ configFile, logLevel: "error", resolve: { alias }, build: { outDir, emptyOutDir: true } });
    const browser = await launch(t);
    const context = await browser.newContext({ permissions: ["clipboard-read", "clipboard-write"] });
    const page = await context.newPage();
    await page.goto(await serve(t, outDir));
    await page.fill("[name=runs]", "2");
    await page.check("[name=quick]");
    await page.click("#run");
    await page.locator("#status").filter({ hasText: "Done." }).waitFor({ timeout: 120_000 });
    const results = await page.evaluate(() => (globalThis as unknown as { results: Result[] }).results);
    const works = new Set(results.map(({ name }) => name));
    for (const device of ["wasm", "gpu:webgpu", "gpu:webgl2"])
      t.same(new Set(results.filter((result) => result.device === device).map(({ name }) => name)), works, device);
    for (const { name, device, medianMs, counters } of results) {
      t.ok(medianMs > 0, `${name} on ${device}`);
      if (!counters) continue;
      t.equal(counters.fallbacks, 0);
      t.equal(counters.compiles, 0);
      t.ok(counters.launches <= 1.5 * counters.operations || /layerNorm/.test(name), "few launches an operation");
    }
    await page.click("#copy");
    await page.locator("#status").filter({ hasText: "Copied." }).waitFor();
    const text = await page.evaluate(() => navigator.clipboard.readText());
    t.match(text, /WebGL: .*; WebGPU: /);
    t.equal(
      text.split("\n").filter((line) => line.startsWith("|")).length,
      results.length + 2,
      "a row for each result",
    );
  },
);
