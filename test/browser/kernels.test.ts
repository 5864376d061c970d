import { fileURLToPath } from "node:url";
import type { Page } from "playwright-core";
import t from "tap";
import { kernelCases } from "../contract/kernels/cases.ts";
import { builtPage, launch, serve, skip } from "./chromium.ts";
import type { Comparison } from "./kernels/compare.ts";
import type { Residency } from "./kernels/residency.ts";

const root = fileURLToPath(new URL("./kernels", import.meta.url));
const modes = ["webgl2", "webgpu"];
const STEPS = 1000;
/** Per step. Token ids, masked and not, both lots of pictures, labels of both tasks, and what the last layer goes on with. */
const UPLOADS = 11;
/** Per step, at its end: three losses, two logits to count right answers by, and the gradient's length. */
const READ_BACKS = 6;

type Loss = Readonly<Record<"messages" | "again", unknown[]>>;

t.test("in a browser, every kernel of gpu is that of cpu", { skip }, async (t) => {
  const page = await (await launch(t)).newPage();
  await page.goto(await serve(t, await builtPage(t, root)));
  await page.waitForFunction(
    () => "compareKernels" in globalThis && "loseGpu" in globalThis && "callForgotten" in globalThis,
  );
  for (const mode of modes)
    await t.test(mode, async (t) => {
      const results = await call<Comparison[]>(page, "compareKernels", mode);
      t.same(new Set(results.map(({ kernel }) => kernel)), new Set(Object.keys(kernelCases)), "all of them");
      for (const { kernel, calls, worst, problem } of results)
        t.equal(problem, null, `${kernel}: ${calls} calls, at most ${worst.toPrecision(2)} of the tolerance`);
      const left = results.filter((result) => result.fallbacks > 0).map(({ kernel }) => kernel);
      t.same(left, [], "what is left to cpu");
    });
  for (const mode of modes)
    await t.test(
      `${mode}: a thousand training steps take no more memory than the first, and move nothing that they need not`,
      async (t) => {
        const { counters, live } = await call<Residency>(page, "trainOnGpu", mode, STEPS);
        t.same(new Set(live.slice(-900)).size, 1, `${live.at(-1)} pieces of memory are alive after each step`);
        t.ok(counters.allocations < 10, `${counters.allocations} new pieces of memory, early on`);
        t.equal(counters.compiles, 0, "nothing is compiled again");
        t.equal(counters.fallbacks, 0, "nothing is left to cpu");
        t.ok(
          counters.launches <= 1.5 * counters.operations,
          `${counters.launches} launches, ${counters.operations} operations`,
        );
        t.equal(counters.uploads / STEPS, UPLOADS);
        t.equal(counters.readBacks / STEPS, READ_BACKS);
      },
    );
  for (const mode of modes)
    await t.test(`${mode}: calls that wait for a kernel get it, also where it is forgotten meanwhile`, async (t) => {
      t.same(await call(page, "callForgotten", mode), [5, 6, 7]);
    });
  for (const mode of modes)
    await t.test(`${mode}: what is being read is read, also where its kernel is forgotten meanwhile`, async (t) => {
      t.equal(await call(page, "readForgotten", mode), 5);
    });
  for (const mode of modes)
    await t.test(`${mode}: a GPU that was taken away is an error that says so, and can be opened again`, async (t) => {
      const { messages, again } = await call<Loss>(page, "loseGpu", mode);
      const reason = `the GPU of device gpu:${mode} was taken away, and all that was on it is gone; loadGpu("${mode}") opens it again`;
      t.same(messages, [`read: ${reason}`, `mul: ${reason}`]);
      t.same(again, [2, 4, 6]);
    });
});

t.test("a WebGL without float textures is no mode, and plain gpu takes the next", { skip }, async (t) => {
  const page = await (await launch(t, { hasWebGpu: false })).newPage();
  await page.addInitScript(() => {
    const { getExtension } = WebGL2RenderingContext.prototype;
    WebGL2RenderingContext.prototype.getExtension = function (name: string) {
      return name === "EXT_color_buffer_float" ? null : getExtension.call(this, name);
    };
  });
  await page.goto(await serve(t, await builtPage(t, root)));
  await page.waitForFunction(() => "loadDevice" in globalThis);
  await t.rejects(call(page, "loadDevice", "webgl2"), {
    message: /gpu: mode webgl2 does not work here; it needs a browser whose WebGL has float textures/,
  });
  t.equal(await call(page, "loadDevice"), "gpu:webasm");
});

/** What a function of the page answers. */
function call<T>(page: Page, name: string, ...args: unknown[]): Promise<T> {
  return page.evaluate(
    ([name, args]) => (globalThis as unknown as Record<string, (...args: unknown[]) => Promise<T>>)[name]!(...args),
    [name, args] as const,
  );
}
