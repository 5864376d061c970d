import { existsSync } from "node:fs";
import { type Browser, chromium } from "playwright-core";
import type { Test } from "tap";
import { build, type PreviewServer, preview } from "vite";

const executablePath = process.env.CHROMIUM ?? "/usr/bin/chromium";
/** Set where a browser has to be there: without one the tests then fail instead of being left out. */
const isRequired = process.env.VILTGRAD_REQUIRE_BROWSER === "1";

/** Why tests that need a browser are left out; false where they are not. */
export const skip =
  !existsSync(executablePath) && !isRequired && `there is no ${executablePath}; CHROMIUM names another browser`;

/** WebGL 2 works without a GPU as it is; WebGPU needs exactly these two flags for it. */
const WEBGPU = ["--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader"];
const QUIET = ["--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];

/** A browser that lives as long as the test. */
export async function launch(t: Test, { hasWebGpu = true } = {}): Promise<Browser> {
  const browser = await chromium.launch({
    executablePath,
    args: ["--no-sandbox", "--disable-quic", ...QUIET, ...(hasWebGpu ? WEBGPU : [])],
  });
  t.teardown(() => browser.close());
  return browser;
}

/** Builds the page of a folder, minified. @returns where it is, as long as the test lives */
export async function builtPage(t: Test, root: string): Promise<string> {
  const outDir = t.testdir({});
  await build({
    ...{ root, configFile: false, logLevel: "error" },
    build: { outDir, target: "es2022", chunkSizeWarningLimit: 2000 },
  });
  return outDir;
}

/** Serves a built page as long as the test lives. @returns its address */
export async function serve(t: Test, outDir: string, headers: Record<string, string> = {}): Promise<string> {
  const server: PreviewServer = await preview({
    ...{ configFile: false, root: outDir, logLevel: "silent" },
    ...{ build: { outDir }, preview: { host: "127.0.0.1", port: 0, headers } },
  });
  t.teardown(() => server.close());
  return server.resolvedUrls!.local[0]!;
}
