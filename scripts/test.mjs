// Runs the tests with tap and ends with one plain line of counts, which any log reader understands.
import { spawn } from "node:child_process";
import { createRequire } from "node:module";
import path from "node:path";

const tap = path.join(path.dirname(createRequire(import.meta.url).resolve("tap/package.json")), "dist/esm/run.mjs");
const child = spawn(process.execPath, [tap, "--reporter=terse", ...process.argv.slice(2)], {
  stdio: ["inherit", "pipe", "inherit"],
});
let output = "";
child.stdout.on("data", (chunk) => {
  process.stdout.write(chunk);
  output += chunk;
});
child.on("close", (code) => {
  const summary = [...output.matchAll(/^# \{ total: .*\}$/gm)].at(-1)?.[0] ?? "";
  const count = (name) => Number(new RegExp(`${name}: (\\d+)`).exec(summary)?.[1] ?? 0);
  const [passed, failed, skipped] = [count("pass"), count("fail"), count("skip") + count("todo")];
  console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
  process.exit(code || (passed === 0 ? 1 : 0));
});
