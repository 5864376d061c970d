import { reducedShape, type Shape, sizeOf, stridesOf } from "../../../shape.ts";
import type { Cells } from "../cells.ts";
import {
  CELL,
  coordinates,
  inGroups,
  kernelSource,
  literal,
  loop,
  MOST_ARRAYS,
  mergeAxes,
  sumOf,
  walk,
  weightedSum,
} from "../source.ts";
import type { GpuKernel, GpuOperand, GpuResult, Launch } from "./types.ts";

export const reductions = {
  sum: (...[launch, [x], out, { axes }]: Parameters<GpuKernel<"sum">>) => {
    const { start, lengths, strides } = reducedWalk(x!, axes);
    const inner = lengths.at(-1) ?? 1;
    const outer = lengths.slice(0, -1);
    const names = outer.map((_, axis) => `r${axis}`);
    const row = weightedSum(names, strides);
    const addRow = `${sumOf("row", inner, (k) => `x[${start.offset} + ${row} + ${k} * ${strides.at(-1) ?? 0}]`)}
total += row;`;
    const body = outer.reduceRight((inside, length, axis) => loop(names[axis]!, length, inside), addRow);
    return launch(kernelSource(["x"], `${start.code}let total = 0.0;\n${body}\nreturn total;`), [x!.cells], out.size);
  },
  prod: fold("1.0", (result, value) => `${result} * ${value}`),
  /** NaN wins, as in `maximum` and `minimum`. */
  max: fold("-Infinity", (result, value) => `Math.max(${result}, ${value})`),
  min: fold("Infinity", (result, value) => `Math.min(${result}, ${value})`),
  /** The first NaN counts as the maximum; without one, the first of the largest. */
  argmax: (...[launch, [x], out, { axis }]: Parameters<GpuKernel<"argmax">>) => {
    const { code, offset, stride, length } = line(x!.shape, axis);
    const body = `const start = ${offset};
let best = 0.0;
let top = x[start];
${loop(
  "k",
  length,
  `const value = x[start + k * ${stride}];
if (top === top) {
  if (value !== value || value > top) { top = value; best = k; }
}`,
)}
return best;`;
    return launch(kernelSource(["x"], code + body), [x!.cells], out.size);
  },
  cumsum: (...[launch, [x], out, { axis }]: Parameters<GpuKernel<"cumsum">>) => {
    const { code, offset, stride, length, position } = lineOfCell(out.shape, axis);
    const body = `const start = ${offset};
let total = 0.0;
${loop("k", length, `if (k <= ${position}) { total += x[start + k * ${stride}]; }`)}
return total;`;
    return launch(kernelSource(["x"], code + body), [x!.cells], out.size);
  },
  argsort,
  sumOfSquares,
};

/** Cells whose squares one part adds. */
const PART = 256;

/** The squares in parts, of some tensors at a time; then the sums of the parts, until one is left. */
function sumOfSquares(...[launch, tensors]: Parameters<GpuKernel<"sumOfSquares">>): Cells {
  const filled = tensors.filter(({ shape }) => sizeOf(shape) > 0);
  if (filled.length === 0) return launch(kernelSource([], "return 0.0;"), [], 1);
  const addUp = (arrays: readonly Cells[], term: (cell: string) => string): Cells[] =>
    inGroups(arrays, MOST_ARRAYS).map((group) => {
      const { source, count } = partSums(
        group.map((cells) => cells.count),
        term,
      );
      return launch(source, group, count);
    });
  let sums = addUp(
    filled.map(({ cells }) => cells),
    (cell) => `${cell} * ${cell}`,
  );
  while (sums.length > 1 || sums[0]!.count > 1) sums = addUp(sums, (cell) => cell);
  return sums[0]!;
}

/** Sums over parts of some arrays of these sizes, one behind the other. */
function partSums(sizes: readonly number[], term: (cell: string) => string): { source: string; count: number } {
  let count = 0;
  const branches = sizes.map((size, i) => {
    const first = count;
    count += Math.ceil(size / PART);
    const add = `const at${i} = (${CELL} - ${first}) * ${PART} + k${i};
if (at${i} < ${size}) { total += ${term(`x${i}[at${i}]`)}; }`;
    return `if (${CELL} >= ${first} && ${CELL} < ${count}) {\n${loop(`k${i}`, PART, add)}\n}`;
  });
  const names = sizes.map((_, i) => `x${i}`);
  return { source: kernelSource(names, `let total = 0.0;\n${branches.join("\n")}\nreturn total;`), count };
}

/** First the rank of every cell of a line, how many come before it; then, for every rank, the cell that has it. */
function argsort(...[launch, [x], out, { axis, descending }]: Parameters<GpuKernel<"argsort">>) {
  const { code, offset, stride, length, position } = lineOfCell(out.shape, axis);
  const rank = `const start = ${offset};
const own = x[start + ${position} * ${stride}];
let rank = 0.0;
${loop(
  "k",
  length,
  `const order = compareValues(x[start + k * ${stride}], own)${descending ? " * -1.0" : ""};
if (order < 0.0 || (order === 0.0 && k < ${position})) { rank += 1.0; }`,
)}
return rank;`;
  const invert = `const start = ${offset};
let found = 0.0;
${loop("k", length, `if (rank[start + k * ${stride}] === ${position}) { found = k; }`)}
return found;`;
  const ranks = launch(kernelSource(["x"], code + rank), [x!.cells], out.size);
  return launch(kernelSource(["rank"], code + invert), [ranks], out.size);
}

function fold(initial: string, combine: (result: string, value: string) => string) {
  return (
    launch: Launch,
    [x]: readonly GpuOperand[],
    out: GpuResult,
    { axes }: { readonly axes: readonly number[] },
  ) => {
    const { start, lengths, strides } = reducedWalk(x!, axes);
    const names = lengths.map((_, axis) => `r${axis}`);
    const step = `result = ${combine("result", `x[${start.offset} + ${weightedSum(names, strides)}]`)};`;
    const body = lengths.reduceRight((inside, length, axis) => loop(names[axis]!, length, inside), step);
    const source = kernelSource(["x"], `${start.code}let result = ${initial};\n${body}\nreturn result;`);
    return launch(source, [x!.cells], out.size);
  };
}

/** Where the first cell of an output cell's terms lies, and the loops over them. */
function reducedWalk({ shape }: GpuOperand, axes: readonly number[]) {
  const strides = stridesOf(shape);
  const kept = reducedShape(shape, axes, true);
  const { code, offsets } = walk(kept, [strides]);
  const terms = shape.map((length, axis) => (axes.includes(axis) ? length : 1));
  const { lengths, strides: steps } = mergeAxes(terms, [strides]);
  // A position that does not change in the loops, computed once.
  return { start: { code: `${code}const start = ${offsets[0]};\n`, offset: "start" }, lengths, strides: steps[0]! };
}

/** The line along `axis` for each cell of the reduced shape. */
function line(shape: Shape, axis: number) {
  const strides = stridesOf(shape);
  const { code, offsets } = walk(reducedShape(shape, [axis], true), [strides]);
  return { code, offset: offsets[0]!, stride: literal(strides[axis]!), length: shape[axis]! };
}

/** The line along `axis` on which a cell of `shape` lies, and its position there. */
function lineOfCell(shape: Shape, axis: number) {
  const strides = stridesOf(shape);
  const { code, names } = coordinates(shape);
  const offset = weightedSum(names, strides.with(axis, 0));
  return { code, offset, stride: literal(strides[axis]!), length: shape[axis]!, position: names[axis]! };
}
