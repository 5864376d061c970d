import { loadGpu } from "../../dist/browser.js";
import { measure } from "./measure.mjs";
import { cellsOf, markdown, titles } from "./table.mjs";

const element = (id) => document.getElementById(id);
const say = (text) => {
  element("status").textContent = text;
};
let results = [];
let place = "";

element("controls").addEventListener("submit", async (event) => {
  event.preventDefault();
  const form = new FormData(event.target);
  element("run").disabled = true;
  try {
    await run(form.getAll("mode"), Number(form.get("runs")), form.has("quick"));
    say("Done.");
  } catch (error) {
    say(error.message);
  }
  element("run").disabled = false;
});

element("copy").addEventListener("click", async () => {
  await navigator.clipboard.writeText(markdown(results, place));
  say("Copied.");
});

async function run(modes, runs, isQuick) {
  results = [];
  show();
  const devices = ["wasm"];
  const missing = [];
  for (const mode of modes)
    await loadGpu(mode).then(
      (name) => devices.push(name),
      ({ message }) => missing.push(message),
    );
  place = [await placeOf(), ...missing].join("\n");
  const report = async (result) => {
    results.push(result);
    show();
    say(`${result.device}: ${result.name}`);
    await new Promise((resolve) => setTimeout(resolve)); // lets the page be drawn
  };
  await measure({ devices, runs, isQuick, report });
  element("copy").disabled = false;
  Object.assign(globalThis, { results, table: markdown(results, place) });
}

/** The browser and the GPU, as far as they say who they are. */
async function placeOf() {
  const gl = document.createElement("canvas").getContext("webgl2");
  const info = gl?.getExtension("WEBGL_debug_renderer_info");
  const adapter = await navigator.gpu?.requestAdapter();
  const { vendor, architecture, description } = adapter?.info ?? {};
  const webgl = info ? gl.getParameter(info.UNMASKED_RENDERER_WEBGL) : "none";
  const webgpu = [vendor, architecture, description].filter(Boolean).join(" ") || "none";
  return `${navigator.userAgent}\nWebGL: ${webgl}; WebGPU: ${webgpu}`;
}

function show() {
  const rowOf = (cells, tag) => {
    const row = document.createElement("tr");
    for (const text of cells) row.append(Object.assign(document.createElement(tag), { textContent: text }));
    return row;
  };
  element("results").replaceChildren(
    rowOf(titles, "th"),
    ...results.map((result) => rowOf(cellsOf(result, results), "td")),
  );
}
