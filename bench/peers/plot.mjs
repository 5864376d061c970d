// The sweeps as a picture: how the time of a training step grows with batch, length, width and depth, over its operations
// on logarithmic axes. The dashed line is the machine's peak: the fastest matrix product of the session.
import { writeFileSync } from "node:fs";
import * as vega from "vega";
import { compile } from "vega-lite";
import { svgToPng } from "../../dist/viz/png.js";
import { flopsOf } from "./works.mjs";

const titles = { batch: "batch", tokens: "sequence length", hiddenSize: "width", layers: "depth" };

/** @param file .svg, or .png */
export async function writePlot(results, file) {
  const timed = results.filter(({ status }) => status === "timed");
  const products = timed.filter(({ config }) => config.kind === "matmul");
  const peak = products.reduce((best, one) => (one.gflops > best.gflops ? one : best));
  const steps = timed.filter(({ axis }) => axis).map((result) => pointOf(result, peak.gflops));
  if (steps.length === 0)
    throw new RangeError("nothing to plot: no work of the sweeps was chosen; add scaling to --only");
  const spec = {
    title: `A training step of the encoder. Dashed: ${peak.gflops.toFixed(0)} GFLOP/s, ${nameOf(peak)}, ${peak.name}`,
    background: "white",
    config: { font: "DejaVu Sans", legend: { orient: "bottom", title: null, labelLimit: 0, columns: 4 } },
    data: { values: [...steps, ...atPeak(steps, peak.gflops)] },
    vconcat: [panels("ms", "ms a step", "~g"), panels("share", "share of the dashed line", "~%")],
  };
  const svg = await new vega.View(vega.parse(compile(spec).spec), { renderer: "none" }).toSVG();
  writeFileSync(file, file.endsWith(".png") ? svgToPng(svg) : svg);
}

const nameOf = ({ contender, threads }) => `${contender}, ${threads === 1 ? "1 thread" : `${threads} threads`}`;

function pointOf(result, peak) {
  const { axis, medianMs: ms, config } = result;
  const gflop = flopsOf({ kind: config.kind, config }) / 1e9;
  return { axis: titles[axis], line: nameOf(result), gflop, ms, share: (1000 * gflop) / ms / peak };
}

/** Both ends of the dashed line of each panel. */
function atPeak(steps, peak) {
  return [...new Set(steps.map(({ axis }) => axis))].flatMap((axis) => {
    const sizes = steps.filter((step) => step.axis === axis).map(({ gflop }) => gflop);
    const ends = [Math.min(...sizes), Math.max(...sizes)];
    return ends.map((gflop) => ({ axis, gflop, ms: (1000 * gflop) / peak, share: 1 }));
  });
}

/** One row of panels, one for each axis. */
function panels(field, title, format) {
  const log = (name, title, format) => ({
    ...{ field: name, type: "quantitative", title },
    ...{ scale: { type: "log", nice: false, padding: 8 }, axis: { format, tickCount: 4, gridOpacity: 0.5 } },
  });
  const encoding = { x: log("gflop", "GFLOP a step", "~g"), y: log(field, title, format) };
  const color = { field: "line", type: "nominal", sort: null };
  return {
    facet: { column: { field: "axis", sort: Object.values(titles), title: null } },
    spec: {
      ...{ width: 200, height: 220 },
      layer: [
        {
          transform: [{ filter: "isValid(datum.line)" }],
          mark: { type: "line", point: { size: 20 }, strokeWidth: 1.5 },
          encoding: { ...encoding, color },
        },
        {
          transform: [{ filter: "!isValid(datum.line)" }],
          mark: { type: "line", strokeDash: [4, 3], color: "#777" },
          encoding,
        },
      ],
    },
  };
}
