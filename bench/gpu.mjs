// How fast is the gpu device, and what does it move? npm run bench -- gpu [--devices gpu:webasm,gpu:cpu] [--runs 5]
// [--quick] [--json], in Node; with --page a page to run in a browser, whose results can be pasted.
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { loadGpu } from "../dist/tensor/devices.js";
import { measure } from "./gpu/measure.mjs";
import { cellsOf, titles } from "./gpu/table.mjs";

const { values: options } = parseArgs({
  options: {
    devices: { type: "string" },
    runs: { type: "string", default: "5" },
    quick: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
    page: { type: "boolean", default: false },
  },
});

if (options.page) await servePage();
else await measureHere();

async function measureHere() {
  const devices = ["wasm"];
  for (const name of options.devices?.split(",") ?? ["gpu"]) devices.push(await loadGpu(name.split(":")[1]));
  const report = ({ name, device, medianMs }) => console.error(`${device}: ${name} ${medianMs.toPrecision(4)} ms`);
  const results = await measure({ devices, runs: Number(options.runs), isQuick: options.quick, report });
  if (options.json) console.log(JSON.stringify({ results }));
  else
    console.table(
      results.map((result) => Object.fromEntries(cellsOf(result, results).map((text, i) => [titles[i], text]))),
    );
  process.exit(0); // a WebGPU of Node keeps the process alive
}

async function servePage() {
  const { createServer } = await import("vite");
  const server = await createServer({ configFile: fileURLToPath(new URL("gpu/vite.config.mjs", import.meta.url)) });
  await server.listen();
  server.printUrls();
}
