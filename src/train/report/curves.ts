import { type ChartPoint, lineChart } from "../../viz/line-chart.ts";
import type { LoggedStep } from "../metrics-log.ts";

/** Points of a line in a chart; more are averaged in groups, which also smooths the noise of single batches. */
const MOST_POINTS = 150;

type Lines<Step = LoggedStep> = Readonly<Record<string, (step: Step) => number>>;

/** Charts of what training logged, by name. */
export async function curves(steps: readonly LoggedStep[]): Promise<Record<string, string>> {
  const layers = Object.keys(steps[0]?.wpaLoss ?? {});
  const alignment = Object.fromEntries(
    layers.map((layer) => [`${layer} layer`, ({ wpaLoss }: LoggedStep) => wpaLoss[layer]!]),
  );
  const chart = (title: string, yLabel: string, lines: Lines, more: { yDomain?: readonly [number, number] } = {}) =>
    lineChart({ title, xLabel: "step", yLabel, points: pointsOf(steps, lines), ...more });
  const losses: Lines = {
    "masked words": ({ mlmLoss }) => mlmLoss,
    matching: ({ itmLoss }) => itmLoss,
    ...(steps[0]?.mppLoss !== undefined && { "masked patches": ({ mppLoss }) => mppLoss! }),
  };
  const accuracies: Lines = {
    "masked tokens": ({ mlmAccuracy }) => mlmAccuracy,
    matching: ({ itmAccuracy }) => itmAccuracy,
  };
  return {
    losses: await chart("Losses", "loss", losses),
    ...(layers.length > 0 && { "alignment-loss": await chart("Word–patch alignment", "weighted loss", alignment) }),
    accuracies: await chart("Accuracy on training batches", "share right", accuracies, { yDomain: [0, 1] }),
    gradient: await chart("Gradient before clipping", "norm", { gradient: ({ gradNorm }) => gradNorm }),
  };
}

/** Points of the lines of a chart: means over equal groups of steps. */
export function pointsOf<Step extends { readonly step: number }>(
  steps: readonly Step[],
  lines: Lines<Step>,
): ChartPoint[] {
  const length = Math.max(1, Math.ceil(steps.length / MOST_POINTS));
  return Object.entries(lines).flatMap(([line, valueOf]) =>
    Array.from({ length: Math.ceil(steps.length / length) }, (_, i) => {
      const group = steps.slice(i * length, (i + 1) * length);
      const mean = group.reduce((total, step) => total + valueOf(step), 0) / group.length;
      return { x: group.at(-1)!.step, y: mean, line };
    }),
  );
}
