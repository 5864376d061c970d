// One contender in a process of its own, so that no peer sees another's threads, memory or flags. It prepares the work,
// writes its answers, and then runs as often as standard input asks: one number a line. contenders/pytorch.py speaks the
// same language: each reply is one line of standard output, {"reply": …}; everything else there is noise of a library.
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { createInterface } from "node:readline";
import { setFlagsFromString } from "node:v8";
import { readArrays, writeArrays } from "./data.mjs";

// Node 20 knows relaxed SIMD but hides it; viltgrad turns it on for itself, so all contenders get it.
if (Number.parseInt(process.versions.node, 10) < 22) setFlagsFromString("--experimental-wasm-relaxed-simd");

const { module, work, options, dataFile, answersFile } = JSON.parse(process.argv[2]);
const reply = (message) => process.stdout.write(`\n${JSON.stringify({ reply: message })}\n`);

/** Of an installed package; many do not let their package.json be imported. */
function versionOf(name) {
  const folders = createRequire(import.meta.url).resolve.paths(name);
  const file = folders.map((folder) => path.join(folder, name, "package.json")).find(existsSync);
  return JSON.parse(readFileSync(file, "utf8")).version;
}

try {
  const { prepare, packageName } = await import(`./contenders/${module}.mjs`);
  const { answers, run, ...facts } = await prepare(work, readArrays(dataFile), options);
  writeArrays(answersFile, await answers());
  reply({ ...(packageName && { version: versionOf(packageName) }), ...facts });
  for await (const line of createInterface({ input: process.stdin })) {
    const repeats = Number(line);
    const start = performance.now();
    for (let i = 0; i < repeats; i++) await run();
    reply({ ms: (performance.now() - start) / repeats });
  }
} catch (error) {
  const status = error.code === "ERR_MODULE_NOT_FOUND" ? "not installed" : (error.status ?? "failed");
  reply({ status, note: error.message.split(" imported from ")[0] });
}
process.stdout.write("", () => process.exit(0)); // threads of a library would keep it alive
