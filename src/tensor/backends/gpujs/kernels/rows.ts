import { sizeOf } from "../../../shape.ts";
import type { Cells } from "../cells.ts";
import { kernelSource, loop, quotient, sumOf } from "../source.ts";
import type { GpuKernel, GpuOperand, GpuResult, Launch } from "./types.ts";

/**
 * Kernels over the rows of the last axis: two numbers of each row first, side by side, then the cells. What a row's two
 * numbers have in common is computed twice: that costs less than another launch.
 */
export const rows = {
  softmax: (...[launch, [x], out]: Parameters<GpuKernel<"softmax">>) => {
    const stats = exponentials(launch, x!);
    return cellsOfRows(launch, x!, out, `Math.exp(x[this.thread.x] - ${GREATEST}) / ${TOTAL}`, { x: x!.cells, stats });
  },
  logSoftmax: (...[launch, [x], out]: Parameters<GpuKernel<"logSoftmax">>) => {
    const stats = exponentials(launch, x!);
    const formula = `x[this.thread.x] - ${GREATEST} - Math.log(${TOTAL})`;
    return cellsOfRows(launch, x!, out, formula, { x: x!.cells, stats });
  },
  softmaxBackward: (...[launch, [y, grad], out]: Parameters<GpuKernel<"softmaxBackward">>) => {
    const { d, count } = rowsOf(y!);
    const known = { y: y!.cells, grad: grad!.cells };
    const sum = sumOf("total", d, (k) => `grad[this.thread.x * ${d} + ${k}] * y[this.thread.x * ${d} + ${k}]`);
    const dot = launch(kernelSource(Object.keys(known), `${sum}\nreturn total;`), Object.values(known), count);
    const formula = "y[this.thread.x] * (grad[this.thread.x] - dot[row])";
    return cellsOfRows(launch, y!, out, formula, { ...known, dot });
  },
  layerNorm: (...[launch, [x, weight, bias], out, { eps }]: Parameters<GpuKernel<"layerNorm">>) => {
    const stats = moments(launch, x!, eps);
    const known = { x: x!.cells, stats, weight: weight!.cells, bias: bias!.cells };
    const formula = `(x[this.thread.x] - ${MEAN}) * ${SCALE} * weight[column] + bias[column]`;
    return cellsOfRows(launch, x!, out, formula, known);
  },
  /** x̄ = (g − mean g − x̂ mean(g ∘ x̂)) / √(σ² + ε) with g = ȳ ∘ w, and the addend. */
  layerNormBackward: (
    ...[launch, [x, weight, grad, addend], out, { eps }]: Parameters<GpuKernel<"layerNormBackward">>
  ) => {
    const { d, count } = rowsOf(x!);
    const stats = moments(launch, x!, eps);
    const known = { x: x!.cells, weight: weight!.cells, grad: grad!.cells, stats };
    const slope = (k: string) => `grad[row * ${d} + ${k}] * weight[${k}]`;
    const means = launch(
      kernelSource(
        Object.keys(known),
        pairOfRow(
          `${sumOf("total", d, slope)}\nvalue = total / ${d};`,
          `${sumOf("weighted", d, (k) => `${slope(k)} * (x[row * ${d} + ${k}] - ${MEAN}) * ${SCALE}`)}
value = weighted / ${d};`,
        ),
      ),
      Object.values(known),
      2 * count,
    );
    const formula = `(grad[this.thread.x] * weight[column] - means[2 * row]
  - (x[this.thread.x] - ${MEAN}) * ${SCALE} * means[2 * row + 1]) * ${SCALE}`;
    if (!addend) return cellsOfRows(launch, x!, out, formula, { ...known, means });
    const both = `${formula} + addend[this.thread.x]`;
    return cellsOfRows(launch, x!, out, both, { ...known, means, addend: addend.cells });
  },
  layerNormBackwardWeight: (...[launch, [x, grad], out, { eps }]: Parameters<GpuKernel<"layerNormBackwardWeight">>) => {
    const { d, count } = rowsOf(x!);
    const stats = moments(launch, x!, eps);
    const term = (r: string) =>
      `grad[${r} * ${d} + this.thread.x] * (x[${r} * ${d} + this.thread.x] - stats[2 * ${r}]) * stats[2 * ${r} + 1]`;
    const source = kernelSource(["x", "grad", "stats"], `${sumOf("total", count, term)}\nreturn total;`);
    return launch(source, [x!.cells, grad!.cells, stats], out.size);
  },
  crossEntropy: (...[launch, [logits, labels], out]: Parameters<GpuKernel<"crossEntropy">>) => {
    const { d, count } = rowsOf(logits!);
    const stats = exponentials(launch, logits!);
    const loss = `const row = this.thread.x;
let loss = 0.0;
const label = labels[row];
if (label >= 0.0) { loss = ${GREATEST} + Math.log(${TOTAL}) - logits[row * ${d} + label]; }
return loss;`;
    const known = [logits!.cells, labels!.cells, stats];
    const losses = launch(kernelSource(["logits", "labels", "stats"], loss), known, count);
    const mean = `${sumOf("total", count, (r) => `losses[${r}]`)}
${countLabels(count)}
return total / Math.max(counted, 1.0);`;
    return launch(kernelSource(["losses", "labels"], mean), [losses, labels!.cells], out.size);
  },
  /** (softmax(logits) − one-hot(labels)) · grad / n in rows that count, 0 elsewhere. */
  crossEntropyBackward: (...[launch, [logits, labels, grad], out]: Parameters<GpuKernel<"crossEntropyBackward">>) => {
    const { d, count } = rowsOf(logits!);
    const stats = exponentials(launch, logits!);
    const share = launch(
      kernelSource(["labels", "grad"], `${countLabels(count)}\nreturn grad[0] / Math.max(counted, 1.0);`),
      [labels!.cells, grad!.cells],
      1,
    );
    const body = `const row = ${quotient("this.thread.x", d)};
const label = labels[row];
let value = 0.0;
if (label >= 0.0) {
  value = Math.exp(logits[this.thread.x] - ${GREATEST}) / ${TOTAL};
  if (this.thread.x - row * ${d} === label) { value = value - 1.0; }
}
return value * share[0];`;
    const known = [logits!.cells, labels!.cells, stats, share];
    return launch(kernelSource(["logits", "labels", "stats", "share"], body), known, out.size);
  },
};

const countLabels = (count: number) => `let counted = 0.0;
${loop("n", count, "if (labels[n] >= 0.0) { counted += 1.0; }")}`;

/** The two numbers of the row at hand, where it is known as `row` and they as `stats`. */
const [GREATEST, TOTAL] = ["stats[2 * row]", "stats[2 * row + 1]"];
const [MEAN, SCALE] = [GREATEST, TOTAL];

/** Of each row the greatest cell and Σ exp(x − greatest), [2 · rows]. */
function exponentials(launch: Launch, x: GpuOperand): Cells {
  const { d, count } = rowsOf(x);
  const greatest = `value = -Infinity;
${loop("n", d, `value = Math.max(value, x[row * ${d} + n]);`)}`;
  const total = `const top = value;
${sumOf("total", d, (k) => `Math.exp(x[row * ${d} + ${k}] - top)`)}
value = total;`;
  return launch(kernelSource(["x"], pairOfRow(greatest, total)), [x.cells], 2 * count);
}

/** Of each row the mean and 1 / √(σ² + ε), [2 · rows]. */
function moments(launch: Launch, x: GpuOperand, eps: number): Cells {
  const { d, count } = rowsOf(x);
  const mean = `${sumOf("total", d, (k) => `x[row * ${d} + ${k}]`)}\nvalue = total / ${d};`;
  const square = (k: string) => `(x[row * ${d} + ${k}] - mean) * (x[row * ${d} + ${k}] - mean)`;
  const scale = `const mean = value;
${sumOf("squares", d, square)}
value = 1.0 / Math.sqrt(squares / ${d} + eps);`;
  return launch(kernelSource(["x", "eps"], pairOfRow(mean, scale)), [x.cells, eps], 2 * count);
}

/** Statements for two numbers of each row, which set `value`; the second finds the first there. */
export function pairOfRow(first: string, second: string): string {
  return `const row = ${quotient("this.thread.x", 2)};
let value = 0.0;
${first}
if (this.thread.x - 2 * row > 0.5) {
${second}
}
return value;`;
}

function rowsOf({ shape }: GpuOperand): { d: number; count: number } {
  return { d: shape.at(-1)!, count: sizeOf(shape.slice(0, -1)) };
}

/** Each cell from its row and column. */
function cellsOfRows(
  launch: Launch,
  x: GpuOperand,
  out: GpuResult,
  formula: string,
  args: Readonly<Record<string, Cells>>,
): Cells {
  const { d } = rowsOf(x);
  const body = `const row = ${quotient("this.thread.x", d)};
const column = this.thread.x - row * ${d};
return ${formula};`;
  return launch(kernelSource(Object.keys(args), body), Object.values(args), out.size);
}
