import type { Box } from "../data/dataset.ts";

/** Running mean of what was added since it was made. */
export class RunningMean {
  #total = 0;
  #count = 0;

  add(value: number, weight = 1): void {
    this.#total += value * weight;
    this.#count += weight;
  }

  /** NaN before anything was added. */
  get mean(): number {
    return this.#total / this.#count;
  }

  get count(): number {
    return this.#count;
  }
}

/** Index of the largest of `values[offset … offset + length)`, relative to the offset; the first one of equals. */
export function argmaxOf(values: ArrayLike<number>, offset = 0, length = values.length - offset): number {
  let best = 0;
  for (let i = 1; i < length; i++) if (values[offset + i]! > values[offset + best]!) best = i;
  return best;
}

/** How many rows of `logits` [n, classes] have their largest value at the label, and how many labels count (≥ 0). */
export function countCorrect(
  logits: ArrayLike<number>,
  labels: ArrayLike<number>,
  classes: number,
): { correct: number; counted: number } {
  let correct = 0;
  let counted = 0;
  for (let row = 0; row < labels.length; row++) {
    if (labels[row]! < 0) continue;
    counted++;
    if (argmaxOf(logits, row * classes, classes) === labels[row]) correct++;
  }
  return { correct, counted };
}

export interface Recall {
  readonly at1: number;
  readonly at5: number;
  readonly at10: number;
}

/**
 * Recall@1, 5 and 10 of a square score matrix whose diagonal holds the true pairs: the share of rows whose own column
 * is among the k best. A tie counts against the true pair, so that equal scores everywhere do not look like success.
 *
 * @param scores [n, n], row-major
 */
export function recall(scores: ArrayLike<number>, n: number, direction: "rows" | "columns"): Recall {
  const at = (i: number, j: number) => (direction === "rows" ? scores[i * n + j]! : scores[j * n + i]!);
  const hits = { at1: 0, at5: 0, at10: 0 };
  for (let i = 0; i < n; i++) {
    let better = 0;
    for (let j = 0; j < n; j++) if (j !== i && !(at(i, j) < at(i, i))) better++;
    if (better < 1) hits.at1++;
    if (better < 5) hits.at5++;
    if (better < 10) hits.at10++;
  }
  return { at1: hits.at1 / n, at5: hits.at5 / n, at10: hits.at10 / n };
}

/** Whether the centre of a patch lies in a box; patch indices are row-major in a grid of `gridWidth` columns. */
export function patchCentreIn(box: Box, patch: number, gridWidth: number, patchSize: number): boolean {
  const x = ((patch % gridWidth) + 0.5) * patchSize;
  const y = (Math.floor(patch / gridWidth) + 0.5) * patchSize;
  return x >= box.x && x < box.x + box.width && y >= box.y && y < box.y + box.height;
}

/** Mean soft score, of rows of `targets` [n, classes], at the class that each row of `logits` [n, classes] makes largest. */
export function softScore(logits: ArrayLike<number>, targets: ArrayLike<number>, classes: number): number {
  const n = targets.length / classes;
  let total = 0;
  for (let row = 0; row < n; row++) total += targets[row * classes + argmaxOf(logits, row * classes, classes)]!;
  return total / n;
}

/** The `count` largest probabilities, with their classes. */
export function likeliest(probabilities: readonly number[], count: number): { at: number; share: number }[] {
  const ordered = probabilities.map((share, at) => ({ at, share })).sort((a, b) => b.share - a.share || a.at - b.at);
  return ordered.slice(0, count);
}
