import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import type { Browser, Page } from "playwright-core";
import t, { type Test } from "tap";
import { build, createServer } from "vite";
import type { LoggedStep } from "../../examples/browser/messages.ts";
import { type RunOptions, Training } from "../../examples/browser/training.ts";
import config from "../../examples/browser/vite.config.ts";
import { launch, serve, skip } from "./chromium.ts";

/** Most bytes, compressed, of the scripts that a page needs to train on wasm. */
const MOST_BYTES = 150_000;
const isolated = config.preview!.headers as Record<string, string>;

/** What only gpu.js has in it, under any name of its chunk. */
const isGpuJs = (file: string) => readFileSync(file, "utf8").includes("createKernelMap");

/** The losses of a run by name, one row a step. */
type Losses = Readonly<Record<string, number>>[];

const lossesOf = (
  steps: readonly Pick<LoggedStep, "loss" | "mlmLoss" | "itmLoss" | "wpaLoss" | "gradNorm">[],
): Losses =>
  steps.map(({ loss, mlmLoss, itmLoss, wpaLoss, gradNorm }) => ({ loss, mlmLoss, itmLoss, ...wpaLoss, gradNorm }));

async function inNode(options: RunOptions): Promise<Losses> {
  const training = await Training.start(options);
  const steps = [];
  while (!training.isDone) steps.push(await training.step());
  return lossesOf(steps);
}

/** Fills in the form and starts. */
async function start(page: Page, { device, ...numbers }: RunOptions): Promise<void> {
  await page.selectOption("[name=device]", device);
  for (const [name, value] of Object.entries(numbers)) await page.fill(`[name=${name}]`, String(value));
  await page.click("#start");
}

/** What the page says when it has trained, or when it cannot. */
async function waitForEnd(page: Page): Promise<string> {
  const status = page.locator("#status");
  await status.filter({ hasText: /^(Done|Stopped)|does not work|could not/ }).waitFor({ timeout: 120_000 });
  return (await status.textContent())!;
}

/** The log as the page saves it. */
async function savedLog(page: Page): Promise<LoggedStep[]> {
  const [download] = await Promise.all([page.waitForEvent("download"), page.click("#save")]);
  const lines = readFileSync(await download.path(), "utf8")
    .trim()
    .split("\n");
  return lines.map((line) => JSON.parse(line) as LoggedStep);
}

function expectLosses(t: Test, actual: Losses, expected: Losses, tolerance: number): void {
  t.equal(actual.length, expected.length, "as many steps");
  let worst = 0;
  for (const [i, row] of expected.entries())
    for (const [name, value] of Object.entries(row)) {
      const error = Math.abs(actual[i]![name]! - value) / Math.max(1, Math.abs(value));
      worst = Math.max(worst, Number.isNaN(error) ? Number.POSITIVE_INFINITY : error);
    }
  t.ok(worst <= tolerance, `losses and gradient lengths are those of Node: off by ${worst.toPrecision(2)} at most`);
}

t.test("the page, built and minified", { skip }, async (t) => {
  const outDir = t.testdir({});
  const configFile = fileURLToPath(new URL("../../examples/browser/vite.config.ts", import.meta.url));
  await build({
    configFile,
    logLevel: "error",
    build: { outDir, emptyOutDir: true },
  });
  const browser = await launch(t);
  const assets = path.join(outDir, "assets");
  const scripts = readdirSync(assets).filter((file) => file.endsWith(".js"));
  t.equal(scripts.filter((file) => isGpuJs(path.join(assets, file))).length, 1, "gpu.js is a chunk of its own");

  /** A page, and the scripts that it has asked for. */
  const open = async (browser: Browser, headers = isolated) => {
    const page = await browser.newPage();
    const failures: string[] = [];
    const loaded = new Set<string>();
    page.on("pageerror", ({ message }) => failures.push(message));
    page.on("request", (request) => {
      const name = path.basename(new URL(request.url()).pathname);
      if (scripts.includes(name)) loaded.add(path.join(assets, name));
    });
    await page.goto(await serve(t, outDir, headers));
    return { page, loaded, failures };
  };

  const options: RunOptions = { device: "wasm", seed: 3, steps: 12, batchSize: 8 };
  const expected = await inNode(options);

  await t.test("wasm in a worker, with threads: the losses of Node, and gpu.js is not loaded", async (t) => {
    const { page, loaded, failures } = await open(browser);
    await start(page, options);
    const cores = await page.evaluate(() => navigator.hardwareConcurrency);
    t.equal(await waitForEnd(page), `Done, on wasm, ${cores > 1 ? `${Math.min(cores, 16)} threads` : "one thread"}.`);
    expectLosses(t, lossesOf(await savedLog(page)), expected, 1e-5);
    t.notOk([...loaded].some(isGpuJs), "gpu.js is not loaded");
    const bytes = [...loaded].reduce((sum, file) => sum + gzipSync(readFileSync(file)).length, 0);
    t.ok(loaded.size > 1 && bytes < MOST_BYTES, `${bytes} bytes of scripts, compressed, of at most ${MOST_BYTES}`);
    t.equal(await page.locator("#pictures li canvas").count(), 8, "pictures are shown");
    t.equal(await page.locator(".chart canvas").count(), 3, "curves are drawn");
    t.same(failures, []);
  });

  await t.test("without cross-origin isolation: one thread, and the same losses", async (t) => {
    const { page } = await open(browser, {});
    await start(page, options);
    t.match(await waitForEnd(page), /^Done, on wasm, one thread \(/);
    expectLosses(t, lossesOf(await savedLog(page)), expected, 1e-5);
  });

  await t.test("stop, continue, and start anew", async (t) => {
    const { page, failures } = await open(browser);
    await start(page, { ...options, steps: 100_000 });
    const stepsShown = async () => Number.parseInt((await page.textContent("[data-of=step]"))!, 10);
    const waitForStep = (n: number) =>
      page.waitForFunction((n) => Number.parseInt(document.querySelector("[data-of=step]")!.textContent!, 10) > n, n);
    await waitForStep(3);
    await page.click("#stop");
    const status = await waitForEnd(page);
    const stopped = await stepsShown();
    t.equal(status.split(",")[0], `Stopped after step ${stopped}`);
    await page.click("#stop");
    await waitForStep(stopped + 3);
    t.same(
      (await savedLog(page)).slice(0, stopped + 3).map(({ step }) => step),
      Array.from({ length: stopped + 3 }, (_, i) => i + 1),
      "it goes on where it stopped",
    );
    const other: RunOptions = { ...options, device: "cpu", seed: 4, steps: 2 };
    await start(page, other);
    t.equal(await waitForEnd(page), "Done, on cpu.");
    expectLosses(t, lossesOf(await savedLog(page)), await inNode({ ...other, device: "wasm" }), 1e-5);
    t.same(failures, []);
  });

  for (const device of ["gpu:webgl2", "gpu:webgpu"])
    await t.test(`${device}: the losses of Node, and gpu.js is loaded`, async (t) => {
      const few = { ...options, steps: 3, batchSize: 4 };
      const { page, loaded, failures } = await open(browser);
      await start(page, { ...few, device });
      t.equal(await waitForEnd(page), `Done, on ${device}.`);
      expectLosses(t, lossesOf(await savedLog(page)), await inNode(few), 2e-5);
      t.ok([...loaded].some(isGpuJs), "gpu.js is loaded");
      t.same(failures, []);
    });

  await t.test("a device that does not work here: the page says so, and goes on with another", async (t) => {
    const { page } = await open(await launch(t, { hasWebGpu: false }));
    await start(page, { ...options, device: "gpu:webgpu" });
    t.match(await waitForEnd(page), /mode webgpu does not work here; it needs an engine with navigator.gpu/);
    t.ok(await page.locator("#stop").isDisabled());
    await start(page, options);
    t.match(await waitForEnd(page), /^Done, on wasm/);
  });

  await t.test("npm run page: the same without a build", async (t) => {
    const place = { host: "127.0.0.1", port: 0 };
    const server = await createServer({ configFile, logLevel: "error", cacheDir: t.testdir({}), server: place });
    t.teardown(() => server.close());
    await server.listen();
    const page = await browser.newPage();
    await page.goto(server.resolvedUrls!.local[0]!);
    await start(page, options);
    t.match(await waitForEnd(page), /^Done, on wasm/);
    expectLosses(t, lossesOf(await savedLog(page)), expected, 1e-5);
  });
});
