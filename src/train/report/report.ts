import path from "node:path";
import { svgToPng } from "../../viz/png.ts";
import { escapeXml } from "../../viz/xml.ts";
import { alignmentPicture } from "../alignment-picture.ts";
import { judgedSplits } from "../data-source.ts";
import type { EncodedSample } from "../evaluation/context.ts";
import { type Evaluation, evaluate } from "../evaluation/evaluation.ts";
import { formatScore, scoreRows } from "../evaluation/score-rows.ts";
import { writeFileAtomic } from "../files.ts";
import type { Run } from "../run.ts";
import { curves } from "./curves.ts";
import { htmlPage, htmlTable } from "./page.ts";

export interface ReportOptions {
  /** Most samples of each split to judge by. */
  readonly samples: number;
  /** What to type to get this run again. */
  readonly command: string;
}

export interface FinishedRun {
  readonly evaluations: readonly Evaluation[];
  /** What was written, by what it is. */
  readonly files: Readonly<Record<string, string>>;
}

/** Pictures among which retrieval chooses. */
export const RETRIEVAL_POOL = 100;
/** Pairs of each split whose alignment is drawn. */
const PAIRS_SHOWN = 6;

/** Judges a run on the splits it did not train on and writes its curves, its alignment pictures and its report. */
export async function finishRun(run: Run, { samples, command }: ReportOptions): Promise<FinishedRun> {
  const evaluations = await judge(run, samples);
  const charts = await curves(run.log.steps);
  const alignment = await alignmentSection(run);
  const at = (name: string) => path.join(run.folder, name);
  const files: Record<string, string> = {
    report: at("report.html"),
    alignment: at("alignment.html"),
    metrics: run.log.file,
    evaluation: at("evaluation.json"),
  };
  for (const [name, svg] of Object.entries(charts)) {
    files[name] = at(`${name}.png`);
    writeFileAtomic(at(`${name}.svg`), svg);
    writeFileAtomic(files[name], svgToPng(svg));
  }
  writeFileAtomic(files.evaluation!, `${JSON.stringify(evaluations, null, 2)}\n`);
  writeFileAtomic(files.alignment!, htmlPage("Word–patch alignment", alignment));
  writeFileAtomic(files.report!, reportPage(run, { evaluations, charts, alignment, command }));
  return { evaluations, files };
}

async function judge({ state, pretrainer, tokenizer, dataset }: Run, samples: number): Promise<Evaluation[]> {
  const evaluations: Evaluation[] = [];
  for (const split of judgedSplits(dataset)) {
    const { model } = pretrainer;
    const { wordPatchAlignment, seed } = state;
    const { truncate } = state.data;
    const options = { model, tokenizer, dataset, split, samples, pool: RETRIEVAL_POOL };
    evaluations.push(await evaluate({ ...options, wordPatchAlignment, truncate, seed }));
  }
  return evaluations;
}

/** Pictures of the first pairs of each split, by the paper's layer. */
async function alignmentSection({ state, pretrainer, tokenizer, dataset }: Run): Promise<string> {
  const settings = state.wordPatchAlignment.find(({ layer }) => layer === "final") ?? state.wordPatchAlignment[0];
  if (!settings) return "<p>This run did not align words and patches.</p>";
  const sections: string[] = [];
  for (const split of judgedSplits(dataset)) {
    const figures: string[] = [];
    for (let i = 0; i < Math.min(PAIRS_SHOWN, dataset.size(split)); i++) {
      const sample = await dataset.sample(split, i);
      const { maxTextLength: maxLength } = state.model;
      const { truncate } = state.data;
      const encoding = tokenizer.encode(sample.caption, { maxLength, truncate, record: sample.record });
      const row: EncodedSample = { sample, encoding };
      figures.push((await alignmentPicture(row, pretrainer.model.backbone, tokenizer.padId, settings)).svg);
    }
    sections.push(`<h3>${escapeXml(split)}</h3>\n<div class="figures">${figures.join("\n")}</div>`);
  }
  const { layer, beta, iterations } = settings;
  return `<p class="remark">Each panel shows only the patches on which the transport plan puts the mass of the pink word
(${layer} layer, IPOT with β ${beta} and ${iterations} iterations), one standard deviation above the mean and more. The
dashed frame is where the thing truly is; “hit” means that the centre of the patch with the largest mass lies in it.</p>
${sections.join("\n")}`;
}

interface ReportParts {
  readonly evaluations: readonly Evaluation[];
  readonly charts: Readonly<Record<string, string>>;
  readonly alignment: string;
  readonly command: string;
}

function reportPage({ state, pretrainer, log }: Run, { evaluations, charts, alignment, command }: ReportParts): string {
  const seconds = log.steps.reduce((total, step) => total + step.seconds, 0);
  const scores = scoreRows(evaluations).map(({ label, scores, chance }) => [
    label,
    ...scores.map(formatScore),
    Object.entries(chance)
      .map(([guess, value]) => `${guess} ${formatScore(value)}`)
      .join(", "),
  ]);
  const judged = evaluations.map(({ split, samples }) => `${split} (${samples})`);
  const body = `<p>A ViLT with ${pretrainer.model.countParameters().toLocaleString("en")} parameters, pre-trained on
${escapeXml(state.data.name)} for ${pretrainer.step} steps of ${state.settings.batchSize} pairs in ${seconds.toFixed(0)} seconds.</p>
<h2>What it learnt</h2>
${htmlTable([["", ...judged, "guessing gets"], ...scores])}
<h2>How it learnt</h2>
<div class="figures">${Object.values(charts).join("\n")}</div>
<h2>Which patches belong to which word</h2>
${alignment}
<h2>Run it again</h2>
<pre>${escapeXml(command)}</pre>
<details><summary>Configuration</summary><pre>${escapeXml(JSON.stringify({ ...state, vocabulary: `${state.vocabulary.length} tokens` }, null, 2))}</pre></details>`;
  return htmlPage(`viltgrad: ${state.preset} on ${state.data.name}`, body);
}
