import { reducedShape, type Shape, sizeOf, stridesOf } from "../../../shape.ts";
import type { Cells } from "../cells.ts";
import { coordinates, kernelSource, literal, loop, mergeAxes, sumOf, walk, weightedSum } from "../source.ts";
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
  /** The squares of each tensor in parts, then the parts with what the tensors before it gave. */
  sumOfSquares: (...[launch, tensors]: Parameters<GpuKernel<"sumOfSquares">>) =>
    tensors
      .filter(({ shape }) => sizeOf(shape) > 0)
      .reduce<Cells | null>((before, { shape, cells }) => {
        const size = sizeOf(shape);
        const square = `const at = this.thread.x * ${PART} + k;\nif (at < ${size}) { total += x[at] * x[at]; }`;
        const squares = `let total = 0.0;\n${loop("k", PART, square)}\nreturn total;`;
        const count = Math.ceil(size / PART);
        const parts = launch(kernelSource(["x"], squares), [cells], count);
        const add = `${sumOf("total", count, (k) => `parts[${k}]`)}\nreturn total${before ? " + before[0]" : ""};`;
        const args = { parts, ...(before && { before }) };
        return launch(kernelSource(Object.keys(args), add), Object.values(args), 1);
      }, null) ?? launch(kernelSource([], "return 0.0;"), [], 1),
};

/** Cells whose squares one part adds. */
const PART = 256;

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
