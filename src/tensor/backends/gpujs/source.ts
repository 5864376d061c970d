import type { Shape } from "../../shape.ts";

/** Pieces of source from which kernels are put together: index arithmetic with the shapes as constants. */

/** The position of the cell that a thread computes, in its flat output. */
export const CELL = "this.thread.x";

/** Statements, and an expression for where each view's cell lies in its memory. */
export interface Walk {
  readonly code: string;
  readonly offsets: readonly string[];
}

/**
 * Splits the flat position `from` of a row-major `shape` into coordinates, and finds the cell of every view with those
 * strides. All of it is exact below 2²⁴, also where a kernel computes in float32.
 */
export function walk(shape: Shape, views: readonly (readonly number[])[], from = CELL, prefix = "c"): Walk {
  const { lengths, strides } = mergeAxes(shape, views);
  const { code, names } = coordinates(lengths, from, prefix);
  return { code, offsets: strides.map((steps) => weightedSum(names, steps)) };
}

/** Statements that define the coordinates of `from` in `shape`, and their names; an axis of length 1 is at 0. */
export function coordinates(shape: Shape, from = CELL, prefix = "c"): { code: string; names: string[] } {
  const names = shape.map(() => "0");
  let code = "";
  let rest = from;
  const axes = shape.flatMap((length, axis) => (length === 1 ? [] : [axis]));
  for (const axis of axes.reverse()) {
    const name = `${prefix}${axis}`;
    names[axis] = name;
    if (axis === axes.at(-1)) code += `const ${name} = ${rest};\n`;
    else {
      code += `const ${name}q = ${quotient(rest, shape[axis]!)};\n`;
      code += `const ${name} = ${rest} - ${name}q * ${shape[axis]};\n`;
      rest = `${name}q`;
    }
  }
  return { code, names };
}

/** ⌊position / divisor⌋, whatever a driver makes of a division: WebGPU lets it be off by some units in the last place. */
export function quotient(position: string, divisor: number): string {
  return `quotient(${position}, ${divisor}.0)`;
}

/** Σ name · stride, without the terms that are 0. */
export function weightedSum(names: readonly string[], strides: readonly number[]): string {
  const terms = names.flatMap((name, axis) => {
    const stride = strides[axis]!;
    if (stride === 0 || name === "0") return [];
    return stride === 1 ? [name] : [`${name} * ${literal(stride)}`];
  });
  return terms.join(" + ") || "0";
}

/** Drops axes of length 1 and joins neighbours that every view steps through evenly. */
export function mergeAxes(
  shape: Shape,
  views: readonly (readonly number[])[],
): { lengths: number[]; strides: number[][] } {
  const lengths: number[] = [];
  const strides = views.map((): number[] => []);
  shape.forEach((length, axis) => {
    if (length === 1) return;
    const last = lengths.length - 1;
    const joins = last >= 0 && views.every((view, v) => strides[v]![last] === view[axis]! * length);
    if (joins) lengths[last]! *= length;
    else lengths.push(length);
    for (const [v, view] of views.entries()) strides[v]![lengths.length - 1] = view[axis]!;
  });
  return { lengths, strides };
}

/** A whole number as source; negative ones in parentheses. */
export function literal(n: number): string {
  return n < 0 ? `(${n})` : `${n}`;
}

/** Terms that are added before the sum goes to the next level: it keeps the rounding errors of long sums small. */
const BLOCK = 128;

/**
 * Statements that add `term(k)` for k = 0 … count − 1 to the variable `total`, which they declare. Long sums are formed
 * in blocks.
 */
export function sumOf(total: string, count: number, term: (k: string) => string): string {
  return sumsOf([total], count, (k) => ["", term(k)]);
}

/** The same for several sums in one loop: `terms(k)` are statements that all share, then a term of each. */
export function sumsOf(totals: readonly string[], count: number, terms: (k: string) => readonly string[]): string {
  const [name] = totals as [string];
  const declare = (suffix: string) => totals.map((total) => `let ${total}${suffix} = 0.0;`).join("\n");
  const set = (suffix: string, value: (total: string) => string) =>
    totals.map((total) => `${total}${suffix} ${value(total)};`).join("\n");
  const add = (suffix: string, k: string) => {
    const [shared, ...all] = terms(k);
    return [shared, ...all.map((term, i) => `${totals[i]}${suffix} += ${term};`)].filter(Boolean).join("\n");
  };
  const blocks = Math.floor(count / BLOCK);
  if (blocks < 2) return `${declare("")}\n${loop(`${name}k`, count, add("", `${name}k`))}`;
  const inner = loop(`${name}k`, BLOCK, add("p", `(${name}b * ${BLOCK} + ${name}k)`));
  return [
    declare(""),
    declare("p"),
    loop(`${name}b`, blocks, [set("p", () => "= 0.0"), inner, set("", (total) => `+= ${total}p`)].join("\n")),
    loop(`${name}r`, count - blocks * BLOCK, add("", `(${name}r + ${blocks * BLOCK})`)),
  ].join("\n");
}

/** Statements for k = 0 … count − 1. */
export function loop(k: string, count: number, body: string): string {
  return count === 0 ? "" : `for (let ${k} = 0; ${k} < ${count}; ${k}++) {\n${body}\n}`;
}

/** Arrays that a kernel may take: WebGPU promises room for eight, and the output is one. */
export const MOST_ARRAYS = 7;

/** Items in groups of so many. */
export function inGroups<T>(items: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, i) => items.slice(i * size, (i + 1) * size));
}

/** A kernel of the arrays and numbers `names`. */
export function kernelSource(names: readonly string[], body: string): string {
  return `function (${names.join(", ")}) {\n${body}\n}`;
}
