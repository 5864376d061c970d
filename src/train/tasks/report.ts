import path from "node:path";
import { lineChart } from "../../viz/line-chart.ts";
import { svgToPng } from "../../viz/png.ts";
import { escapeXml } from "../../viz/xml.ts";
import { formatScore } from "../evaluation/score-rows.ts";
import { writeFileAtomic } from "../files.ts";
import { writeModelFolder } from "../model-folder.ts";
import { pointsOf } from "../report/curves.ts";
import { htmlPage, htmlTable } from "../report/page.ts";
import { type ComparisonOptions, type Summary, summarize, type Trial } from "./comparison.ts";
import { FIGURE_STYLE } from "./figures.ts";
import type { FineTuningOptions } from "./fine-tuning.ts";
import { grow } from "./fine-tuning.ts";
import type { Trainee } from "./task.ts";

/** Examples of each split that the page shows. */
const SHOWN = 18;

/** Writes the model as a folder that Hugging Face Transformers loads, with its words and classes. */
export function writeFineTuned(
  folder: string,
  trainee: Trainee,
  { foundation, task, truncate }: FineTuningOptions,
): void {
  const { vocabulary } = grow(foundation, task, truncate).tokenizer;
  writeModelFolder(folder, trainee.model, { labels: task.labels, vocabulary });
}

/** Mean, with the standard deviation where there is one. */
export const formatSummary = ({ score, deviation }: Summary) =>
  deviation === null ? formatScore(score) : `${formatScore(score)} ± ${deviation.toFixed(3)}`;

/** Arms by split: the score that says most, and what it is beside what guessing gets. */
export function comparisonRows(trials: readonly Trial[], headline: string): string[][] {
  const splits = Object.keys(trials[0]!.scores);
  const names = [...new Set(trials.map(({ arm }) => arm))];
  const rows = names.map((arm) => [
    arm,
    ...splits.map((split) => formatSummary(summarize(trials, arm, split)[headline]!)),
  ]);
  const guess = splits.map((split) => formatScore(summarize(trials, names[0]!, split)[headline]!.chance));
  return [[headline, ...splits], ...rows, ["guessing", ...guess]];
}

/** What one arm scores, by what was asked. */
export function scoreTable(trials: readonly Trial[], arm: Trial["arm"]): string[][] {
  const splits = Object.keys(trials[0]!.scores);
  const summaries = splits.map((split) => summarize(trials, arm, split));
  return [
    ["", ...splits, "guessing"],
    ...Object.keys(summaries[0]!).map((kind) => [
      kind,
      ...summaries.map((summary) => (summary[kind] ? formatSummary(summary[kind]) : "–")),
      summaries.map((summary) => formatScore(summary[kind]?.chance)).join(", "),
    ]),
  ];
}

export interface TaskReport {
  readonly folder: string;
  readonly options: ComparisonOptions;
  readonly trials: readonly Trial[];
  readonly headline: string;
  /** HTML figures of examples, by split. */
  readonly figures: Readonly<Record<string, readonly string[]>>;
  /** What to type to get this again. */
  readonly command: string;
}

/** HTML figures of the first examples of each split. */
export async function exampleFigures(trainee: Trainee, splits: readonly string[]): Promise<Record<string, string[]>> {
  const figures: Record<string, string[]> = {};
  for (const split of splits) figures[split] = await trainee.figures(split, SHOWN);
  return figures;
}

/** Writes the scores, the losses and the page; answers the files by what they are. */
export async function writeTaskReport({ folder, options, trials, headline, figures, command }: TaskReport) {
  const at = (name: string) => path.join(folder, name);
  const files = { report: at("report.html"), evaluation: at("evaluation.json"), losses: at("losses.png") };
  const results = trials.map(({ losses, ...rest }) => rest);
  writeFileAtomic(files.evaluation, `${JSON.stringify({ task: options.name, command, trials: results }, null, 2)}\n`);
  const first = trials.filter(({ seed, losses }) => seed === trials[0]!.seed && losses.length > 0);
  const points = first.flatMap(({ arm, losses }) => pointsOf(losses, { [arm]: ({ loss }) => loss }));
  const chart = await lineChart({ title: "Loss of training batches", xLabel: "step", yLabel: "loss", points });
  writeFileAtomic(files.losses, svgToPng(chart));
  const remarked = (rows: readonly (readonly string[])[]) => rows.map((row) => [...row, ""]);
  const sections = Object.entries(figures).map(
    ([split, some]) => `<h3>${escapeXml(split)}</h3>\n<div class="figures">${some.join("\n")}</div>`,
  );
  const main = trials[0]!.arm;
  const body = `${FIGURE_STYLE}<p>Fine-tuned from ${escapeXml(options.foundation.source)} for ${options.settings.steps} steps of
${options.settings.batchSize} rows on ${escapeXml(options.data)}${options.seeds.length > 1 ? `, mean ± standard deviation over ${options.seeds.length} seeds` : ""}.</p>
<h2>Against its baselines</h2>
${htmlTable(remarked(comparisonRows(trials, headline)))}
<h2>By what was asked (${escapeXml(main)})</h2>
${htmlTable(scoreTable(trials, main))}
<h2>How it learnt</h2>
<div class="figures">${chart}</div>
<h2>What it makes of examples</h2>
${sections.join("\n")}
<h2>Run it again</h2>
<pre>${escapeXml(command)}</pre>`;
  writeFileAtomic(files.report, htmlPage(`viltgrad: ${options.name} on ${options.data}`, body));
  return files;
}
