// How long until a program has its first tensor? npm run bench -- startup [--runs 15] [--json]
// A new process each time: from before the import of the package to after the making of a tensor.
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { printResults } from "./harness/report.mjs";
import { summarize } from "./harness/turns.mjs";

const { values: options } = parseArgs({
  options: { runs: { type: "string", default: "15" }, json: { type: "boolean", default: false } },
});

const program = fileURLToPath(new URL("startup/program.mjs", import.meta.url));
const once = () => Number(spawnSync(process.execPath, [program], { encoding: "utf8" }).stdout);

once(); // what the system reads for the first time
const timing = { threads: 1, ...summarize(Array.from({ length: Number(options.runs) }, once), 0) };
printResults([{ name: "import to first tensor", preset: "", device: "wasm", ...timing }], options.json);
