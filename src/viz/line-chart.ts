import type { TopLevelSpec } from "vega-lite";

/** One point of one line. */
export interface ChartPoint {
  readonly x: number;
  readonly y: number;
  readonly line: string;
}

export interface LineChart {
  readonly title: string;
  readonly xLabel: string;
  readonly yLabel: string;
  /** A y that is not finite leaves a gap in its line. */
  readonly points: readonly ChartPoint[];
  /** Values of y to mark with a dashed line, such as a chance level, each with its name. */
  readonly references?: readonly { readonly y: number; readonly label: string }[];
  /** Range of y; what the points need when not said. */
  readonly yDomain?: readonly [number, number];
  readonly width?: number;
  readonly height?: number;
}

/** A chart with one coloured line for each name, and a legend, as an SVG document. */
export async function lineChart(chart: LineChart): Promise<string> {
  // They take a tenth of a second to load, which only those who draw should wait for.
  const [vega, { compile }] = await Promise.all([import("vega"), import("vega-lite")]);
  const view = new vega.View(vega.parse(compile(specOf(chart)).spec), { renderer: "none" });
  return view.toSVG();
}

function specOf({ points, references = [], ...chart }: LineChart): TopLevelSpec {
  const { title, xLabel, yLabel, yDomain, width = 420, height = 240 } = chart;
  const names = [...new Set(points.map(({ line }) => line))];
  const scale = yDomain ? { domain: [...yDomain] } : { zero: false };
  const y = { field: "y", type: "quantitative", title: yLabel, scale } as const;
  return {
    title,
    width,
    height,
    background: "white",
    config: {
      font: "DejaVu Sans",
      legend: { orient: "bottom", title: null, labelLimit: 0, columns: 3 },
      view: { stroke: "#ccc" },
    },
    layer: [
      {
        data: { values: points.map((point) => ({ ...point, y: Number.isFinite(point.y) ? point.y : null })) },
        mark: { type: "line", strokeWidth: 1.5, clip: true, invalid: "break-paths-filter-domains" },
        encoding: {
          x: { field: "x", type: "quantitative", title: xLabel },
          y,
          color: { field: "line", type: "nominal", sort: names },
        },
      },
      {
        data: { values: [...references] },
        mark: { type: "rule", strokeDash: [4, 3], color: "#777" },
        encoding: { y },
      },
      {
        data: { values: [...references] },
        mark: { type: "text", align: "right", baseline: "bottom", color: "#777", dx: -3, dy: -2 },
        encoding: { y, x: { value: "width" }, text: { field: "label" } },
      },
    ],
  };
}
