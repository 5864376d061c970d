import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import type { LoggedStep } from "./messages.ts";

/** A loss to draw, and what it is where nothing has been learnt. */
interface Curve {
  readonly title: string;
  readonly valueOf: (step: LoggedStep) => number;
}

const CURVES: readonly Curve[] = [
  { title: "Masked words", valueOf: ({ mlmLoss }) => mlmLoss },
  { title: "Image–text matching", valueOf: ({ itmLoss }) => itmLoss },
  { title: "Word–patch alignment", valueOf: ({ wpaLoss }) => wpaLoss.final ?? Number.NaN },
];

/** Weight of the newest step in the mean that the strong line shows. */
const NEWEST = 0.06;
const HEIGHT = 170;

/** The losses of a run, one chart each: every step faint, and their running mean. */
export class Charts {
  readonly #charts: readonly Chart[];

  constructor(place: HTMLElement) {
    this.#charts = CURVES.map((curve) => new Chart(place, curve));
  }

  clear(): void {
    for (const chart of this.#charts) chart.clear();
  }

  add(steps: readonly LoggedStep[]): void {
    for (const chart of this.#charts) chart.add(steps);
  }
}

class Chart {
  readonly #plot: uPlot;
  readonly #last = document.createElement("output");
  #data: [number[], number[], number[]] = [[], [], []];

  constructor(
    place: HTMLElement,
    readonly curve: Curve,
  ) {
    const figure = document.createElement("figure");
    figure.className = "chart";
    const caption = document.createElement("figcaption");
    caption.append(curve.title, this.#last);
    figure.append(caption);
    place.append(figure);
    const width = () => figure.clientWidth - 28;
    const color = getComputedStyle(place).getPropertyValue("--accent");
    this.#plot = new uPlot(optionsOf(color, width()), this.#data, figure);
    new ResizeObserver(() => this.#plot.setSize({ width: width(), height: HEIGHT })).observe(figure);
  }

  clear(): void {
    this.#data = [[], [], []];
    this.#last.value = "";
    this.#plot.setData(this.#data);
  }

  add(steps: readonly LoggedStep[]): void {
    const [xs, values, means] = this.#data;
    for (const step of steps) {
      const value = this.curve.valueOf(step);
      const before = means.at(-1) ?? value;
      xs.push(step.step);
      values.push(value);
      means.push(before + Math.max(NEWEST, 1 / xs.length) * (value - before));
    }
    this.#last.value = means.at(-1)?.toFixed(3) ?? "";
    this.#plot.setData(this.#data);
  }
}

function optionsOf(color: string, width: number): uPlot.Options {
  const grey = "#8a8d95";
  const axis = { stroke: grey, font: "11px system-ui, sans-serif", ticks: { show: false } };
  const grid = { stroke: "#8a8d9533", width: 1 };
  return {
    width,
    height: HEIGHT,
    legend: { show: false },
    cursor: { show: false },
    padding: [12, 16, 0, 0],
    scales: { x: { time: false } },
    axes: [
      { ...axis, grid: { show: false }, size: 26 },
      { ...axis, grid, size: 46 },
    ],
    series: [
      {},
      { stroke: color, width: 1, alpha: 0.25, points: { show: false } },
      { stroke: color, width: 2, points: { show: false } },
    ],
  };
}
