// How fast is viltgrad beside other libraries? npm run bench -- peers [--only matmul,train] [--contenders jax,pytorch]
// [--runs 15] [--seconds 8] [--threads 1,2] [--json] [--plot FILE.svg]
// All do the same work on the same numbers; only those whose results agree with ours are timed, in turn. The peers are
// installed for themselves: npm install --prefix bench/peers --ignore-scripts. PyTorch is found by VILTGRAD_PYTHON or
// python3. What is missing, differs or fails is told.
import { mkdtempSync, rmSync } from "node:fs";
import { availableParallelism, cpus, tmpdir } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";

const { values: options } = parseArgs({
  options: {
    only: { type: "string", default: "" },
    contenders: { type: "string", default: "" },
    runs: { type: "string", default: "15" },
    seconds: { type: "string", default: "8" },
    threads: { type: "string", default: availableParallelism() > 1 ? `1,${availableParallelism()}` : "1" },
    json: { type: "boolean", default: false },
    plot: { type: "string" },
  },
});

const { contendersFor } = await import("./peers/contenders.mjs");
const { selectWorks } = await import("./peers/works.mjs");
const { runWork } = await import("./peers/session.mjs");

const words = (text) => text.split(",").filter(Boolean);
const log = (text) => console.error(text);
const folder = mkdtempSync(path.join(tmpdir(), "viltgrad-peers-"));
const clean = () => rmSync(folder, { recursive: true, force: true });
process.once("SIGINT", () => {
  clean();
  process.exit(130);
});
const results = [];
try {
  const contenders = contendersFor(words(options.threads).map(Number), words(options.contenders));
  const settings = { folder, runs: Number(options.runs), seconds: Number(options.seconds), log };
  for (const work of selectWorks(words(options.only), options.plot !== undefined))
    results.push(...(await runWork(work, contenders, settings)));
  if (options.plot) await (await import("./peers/plot.mjs")).writePlot(results, options.plot);
} catch (error) {
  if (!(error instanceof RangeError)) throw error;
  console.error(`bench: ${error.message}`);
  process.exitCode = 2;
} finally {
  clean();
}

const machine = {
  ...{ processor: cpus()[0].model, cores: availableParallelism(), node: process.version },
  // Which kernels OpenBLAS may use, where that is restricted.
  ...Object.fromEntries(Object.entries(process.env).filter(([name]) => name.startsWith("OPENBLAS_"))),
};
if (options.json) console.log(JSON.stringify({ results, machine }));
else if (results.length) {
  const { printTables } = await import("./peers/report.mjs");
  console.log(
    Object.entries(machine)
      .map(([name, value]) => `${name} ${value}`)
      .join(", "),
  );
  printTables(results);
}
