import { ShapeError } from "../../tensor/errors.ts";
import type { Shape } from "../../tensor/shape.ts";

/** An equation whose `...` is spelled out: one label for each axis of each operand and of the output. */
export interface Equation {
  readonly inputs: readonly (readonly string[])[];
  readonly output: readonly string[];
}

const ELLIPSIS = "...";

/**
 * Reads an equation of `einsum` against the shapes it is used with. Axes under `...` get the labels …1, …2, counted
 * from the last, so that they align as in broadcasting.
 */
export function parseEquation(equation: string, shapes: readonly Shape[]): Equation {
  const [left, right, ...rest] = equation.replaceAll(" ", "").split("->");
  const fail = (problem: string, ...operands: (string | { shape: Shape })[]): never => {
    throw new ShapeError("einsum", `${problem} in "${equation}"`, ...operands);
  };
  if (rest.length) fail("-> stands twice");
  const terms = left!.split(",");
  if (terms.length !== shapes.length) fail(`${terms.length} operands for ${shapes.length} tensors`);

  const inputs = terms.map((term, i) => {
    const shape = shapes[i]!;
    const tokens = tokensOf(term, fail);
    const covered = shape.length - tokens.filter((token) => token !== ELLIPSIS).length;
    if (covered < 0 || (covered > 0 && !tokens.includes(ELLIPSIS)))
      fail(
        `"${term}" does not name each axis of operand ${i}`,
        { shape },
        ...(covered > 0 ? ["begin it with ..."] : []),
      );
    return tokens.flatMap((token) => (token === ELLIPSIS ? covers(covered) : [token]));
  });
  checkLengths(inputs, shapes, fail);

  const named = inputs.flat();
  const covered = Math.max(0, ...named.filter(isCovered).map((label) => Number(label.slice(1))));
  const letters = named.filter((label) => !isCovered(label));
  if (right === undefined) {
    const once = letters.filter((label) => letters.indexOf(label) === letters.lastIndexOf(label));
    return { inputs, output: [...covers(covered), ...once.sort()] };
  }
  const tokens = tokensOf(right, fail);
  if (covered > 0 && !tokens.includes(ELLIPSIS))
    fail(`the axes under ... are missing in the output`, "name them to sum over them");
  for (const [i, token] of tokens.entries()) {
    if (token !== ELLIPSIS && !letters.includes(token)) fail(`label ${token} of the output is in no operand`);
    if (tokens.indexOf(token) < i) fail(`label ${token} stands twice in the output`);
  }
  return { inputs, output: tokens.flatMap((token) => (token === ELLIPSIS ? covers(covered) : [token])) };
}

const isCovered = (label: string) => label.length > 1;

/** Labels of axes under `...`: …n to …1. */
const covers = (count: number) => Array.from({ length: count }, (_, i) => `…${count - i}`);

/** Letters and at most one `...`. */
function tokensOf(term: string, fail: (problem: string) => never): string[] {
  const tokens = term.match(/\.\.\.|./gs) ?? [];
  const wrong = tokens.find((token) => token !== ELLIPSIS && !/[A-Za-z]/.test(token));
  if (wrong !== undefined) fail(`"${wrong}" is no letter`);
  if (tokens.filter((token) => token === ELLIPSIS).length > 1) fail("... stands twice in one operand");
  return tokens;
}

/** Axes of one label have one length in one operand, and that length or 1 in the others. */
function checkLengths(
  inputs: readonly (readonly string[])[],
  shapes: readonly Shape[],
  fail: (problem: string, ...operands: { shape: Shape }[]) => never,
): void {
  const known = new Map<string, { length: number; shape: Shape }>();
  for (const [operand, labels] of inputs.entries()) {
    const shape = shapes[operand]!;
    for (const [axis, label] of labels.entries()) {
      const length = shape[axis]!;
      const first = shape[labels.indexOf(label)]!;
      if (first !== length)
        fail(`label ${label} has the lengths ${first} and ${length} in operand ${operand}`, { shape });
      const before = known.get(label);
      if (before && before.length !== length && before.length !== 1 && length !== 1)
        fail(`label ${label} has the lengths ${before.length} and ${length}`, before, { shape });
      if (!before || before.length === 1) known.set(label, { length, shape });
    }
  }
}
