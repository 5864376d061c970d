import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import t from "tap";
import { build } from "vite";
import { launch, serve, skip } from "./chromium.ts";

const readme = readFileSync(new URL("../../README.md", import.meta.url), "utf8");
const [, program] = /^```ts\n([\s\S]*?)^```$/m.exec(readme)!;

t.test("README: the program for browsers, bundled, prints what its comments say", { skip }, async (t) => {
  const root = t.testdir({
    "index.html": '<link rel="icon" href="data:," /><script type="module" src="./main.ts"></script>',
  });
  writeFileSync(path.join(root, "main.ts"), `${program}console.log("the end");\n`);
  const outDir = path.join(root, "dist");
  await build({ root, configFile: false, logLevel: "error", build: { outDir, target: "es2022" } });
  const page = await (await launch(t)).newPage();
  const printed: string[] = [];
  page.on("console", (message) => printed.push(message.text()));
  page.on("pageerror", ({ message }) => printed.push(message));
  const end = page.waitForEvent("console", (message) => message.text() === "the end");
  const failure = page.waitForEvent("pageerror");
  await page.goto(await serve(t, outDir));
  await Promise.race([end, failure]);
  const promised = [...program!.matchAll(/console\.log\(.*\); \/\/ (.+)/g)].map((match) => match[1]!);
  t.equal(promised.length, 2);
  t.strictSame(printed, [...promised, "the end"]);
});
