import { fileURLToPath } from "node:url";
import t from "tap";
import { build } from "vite";
import { kernelCases } from "../contract/kernels/cases.ts";
import { launch, serve, skip } from "./chromium.ts";
import type { Comparison } from "./kernels/compare.ts";

type Compare = (mode: string) => Promise<Comparison[]>;

const modes = ["webgl2", "webgpu"];

t.test("in a browser, every kernel of gpu is that of cpu", { skip }, async (t) => {
  const outDir = t.testdir({});
  const root = fileURLToPath(new URL("./kernels", import.meta.url));
  await build({
    ...{ root, configFile: false, logLevel: "error" },
    build: { outDir, target: "es2022", chunkSizeWarningLimit: 2000 },
  });
  const page = await (await launch(t)).newPage();
  await page.goto(await serve(t, outDir));
  await page.waitForFunction(() => "compareKernels" in globalThis);
  for (const mode of modes)
    await t.test(mode, async (t) => {
      const results = await page.evaluate(
        (mode) => (globalThis as unknown as { compareKernels: Compare }).compareKernels(mode),
        mode,
      );
      t.same(new Set(results.map(({ kernel }) => kernel)), new Set(Object.keys(kernelCases)), "all of them");
      for (const { kernel, calls, worst, problem } of results)
        t.equal(problem, null, `${kernel}: ${calls} calls, at most ${worst.toPrecision(2)} of the tolerance`);
      const left = results.filter((result) => result.fallbacks > 0).map(({ kernel }) => kernel);
      t.same(left, [], "what is left to cpu");
    });
});
