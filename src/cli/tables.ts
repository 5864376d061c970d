import type { Evaluation } from "../train/evaluation/evaluation.ts";
import { formatScore, scoreRows } from "../train/evaluation/score-rows.ts";

/** Columns of equal width, the first to the left and the others to the right. */
export function formatTable(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const pad = (cell: string, column: number) =>
    column === 0 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!);
  return rows.map((row) => row.map(pad).join("   ").trimEnd()).join("\n");
}

/** Every score by split, beside what guessing gets. */
export function evaluationTable(evaluations: readonly Evaluation[]): string {
  const rows = scoreRows(evaluations).map(({ label, scores, chance }) => [
    label,
    ...scores.map(formatScore),
    Object.entries(chance)
      .map(([guess, value]) => `${formatScore(value)} (${guess})`)
      .join(", "),
  ]);
  return formatTable([["", ...evaluations.map(({ split }) => split), "chance"], ...rows]);
}
