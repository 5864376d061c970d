import type { Evaluation } from "./evaluation.ts";

/** One line of a table of scores. */
export interface ScoreRow {
  readonly label: string;
  /** One for each split. */
  readonly scores: readonly (number | undefined)[];
  /** What guessing gets, under the name of the guess. */
  readonly chance: Readonly<Record<string, number>>;
}

/** The rows of the table that reports and terminals show: every score beside what guessing gets. */
export function scoreRows(evaluations: readonly Evaluation[]): ScoreRow[] {
  const [first] = evaluations;
  if (!first) return [];
  const row = (label: string, chance: ScoreRow["chance"], score: (evaluation: Evaluation) => number | undefined) => ({
    ...{ label, chance, scores: evaluations.map(score) },
  });
  const recall = (name: string, kind: "textRetrieval" | "imageRetrieval") =>
    (["at1", "at5", "at10"] as const).map((at) =>
      row(
        `${name} recall@${at.slice(2)} of ${first.pool}`,
        { "any order": first.retrievalChance[at] },
        (evaluation) => evaluation[kind][at],
      ),
    );
  const pointing = Object.entries(first.pointing ?? {}).map(([layer, { chance, someThing }]) =>
    row(
      `pointing, ${layer} layer`,
      { "any patch": chance, "some thing": someThing },
      (evaluation) => evaluation.pointing?.[layer]?.score,
    ),
  );
  return [
    row("matching accuracy", { "a coin": first.matching.chance }, ({ matching }) => matching.score),
    ...Object.entries(first.hardMatching ?? {}).map(([change, { chance }]) =>
      row(`matching, one ${change} swapped`, { "a coin": chance }, ({ hardMatching }) => hardMatching?.[change]?.score),
    ),
    row(
      "masked word accuracy",
      { [first.pointing ? "any noun" : "any token"]: first.maskedWords.chance },
      ({ maskedWords }) => maskedWords.score,
    ),
    ...recall("image → text", "textRetrieval"),
    ...recall("text → image", "imageRetrieval"),
    ...pointing,
  ];
}

/** A score as tables print it; a dash where nothing could be scored, as with one sample that has no other to be told from. */
export function formatScore(score: number | undefined): string {
  return score === undefined || Number.isNaN(score) ? "–" : score.toFixed(3);
}
