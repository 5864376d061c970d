import type { Cells } from "../cells.ts";
import { kernelSource, loop, sumOf } from "../source.ts";
import type { GpuKernel, GpuOperand, GpuResult, Launch } from "./types.ts";

/** Kernels over the rows of the last axis: some numbers for each row first, then the cells. */
export const rows = {
  softmax: (...[launch, [x], out]: Parameters<GpuKernel<"softmax">>) => {
    const { d, greatest, total } = exponentials(launch, x!);
    return cellsOfRows(launch, d, out, "Math.exp(x[this.thread.x] - greatest[row]) / total[row]", {
      x: x!.cells,
      greatest,
      total,
    });
  },
  logSoftmax: (...[launch, [x], out]: Parameters<GpuKernel<"logSoftmax">>) => {
    const { d, greatest, total } = exponentials(launch, x!);
    return cellsOfRows(launch, d, out, "x[this.thread.x] - greatest[row] - Math.log(total[row])", {
      x: x!.cells,
      greatest,
      total,
    });
  },
  softmaxBackward: (...[launch, [y, grad], out]: Parameters<GpuKernel<"softmaxBackward">>) => {
    const d = y!.shape.at(-1)!;
    const [values, gradient] = [y!.cells, grad!.cells];
    const dot = sumRows(launch, y!, (at) => `grad[${at}] * y[${at}]`, { y: values, grad: gradient });
    return cellsOfRows(launch, d, out, "y[this.thread.x] * (grad[this.thread.x] - dot[row])", {
      y: values,
      grad: gradient,
      dot,
    });
  },
  layerNorm: (...[launch, [x, weight, bias], out, { eps }]: Parameters<GpuKernel<"layerNorm">>) => {
    const { d, mean, scale } = moments(launch, x!, eps);
    const formula = "(x[this.thread.x] - mean[row]) * scale[row] * weight[column] + bias[column]";
    return cellsOfRows(launch, d, out, formula, {
      ...{ x: x!.cells, mean, scale },
      ...{ weight: weight!.cells, bias: bias!.cells },
    });
  },
  /** x̄ = (g − mean g − x̂ mean(g ∘ x̂)) / √(σ² + ε) with g = ȳ ∘ w. */
  layerNormBackward: (...[launch, [x, weight, grad], out, { eps }]: Parameters<GpuKernel<"layerNormBackward">>) => {
    const { d, mean, scale } = moments(launch, x!, eps);
    const known = { x: x!.cells, weight: weight!.cells, grad: grad!.cells, mean, scale };
    const along = (at: string, k: string) => `grad[${at}] * weight[${k}]`;
    const { x: _, mean: __, scale: ___, ...plain } = known;
    const meanOfG = sumRows(launch, x!, along, plain, d);
    const meanOfGx = sumRows(
      launch,
      x!,
      (at, k) => `${along(at, k)} * (x[${at}] - mean[this.thread.x]) * scale[this.thread.x]`,
      known,
      d,
    );
    const formula = `(grad[this.thread.x] * weight[column] - meanOfG[row]
  - (x[this.thread.x] - mean[row]) * scale[row] * meanOfGx[row]) * scale[row]`;
    return cellsOfRows(launch, d, out, formula, { ...known, meanOfG, meanOfGx });
  },
  layerNormBackwardWeight: (...[launch, [x, grad], out, { eps }]: Parameters<GpuKernel<"layerNormBackwardWeight">>) => {
    const { d, count, mean, scale } = moments(launch, x!, eps);
    const term = (r: string) =>
      `grad[${r} * ${d} + this.thread.x] * (x[${r} * ${d} + this.thread.x] - mean[${r}]) * scale[${r}]`;
    const source = kernelSource(["x", "grad", "mean", "scale"], `${sumOf("total", count, term)}\nreturn total;`);
    return launch(source, [x!.cells, grad!.cells, mean, scale], out.size);
  },
  crossEntropy: (...[launch, [logits, labels], out]: Parameters<GpuKernel<"crossEntropy">>) => {
    const { d, count, greatest, total } = exponentials(launch, logits!);
    const loss = `let loss = 0.0;
const label = labels[this.thread.x];
if (label >= 0.0) {
  loss = greatest[this.thread.x] + Math.log(total[this.thread.x]) - logits[this.thread.x * ${d} + label];
}
return loss;`;
    const names = ["logits", "labels", "greatest", "total"];
    const losses = launch(kernelSource(names, loss), [logits!.cells, labels!.cells, greatest, total], count);
    const mean = `${sumOf("total", count, (r) => `losses[${r}]`)}
${countLabels(count)}
return total / Math.max(counted, 1.0);`;
    return launch(kernelSource(["losses", "labels"], mean), [losses, labels!.cells], out.size);
  },
  /** (softmax(logits) − one-hot(labels)) · grad / n in rows that count, 0 elsewhere. */
  crossEntropyBackward: (...[launch, [logits, labels, grad], out]: Parameters<GpuKernel<"crossEntropyBackward">>) => {
    const { d, count, greatest, total } = exponentials(launch, logits!);
    const share = launch(
      kernelSource(["labels", "grad"], `${countLabels(count)}\nreturn grad[0] / Math.max(counted, 1.0);`),
      [labels!.cells, grad!.cells],
      1,
    );
    const body = `const row = Math.floor(this.thread.x / ${d});
const label = labels[row];
let value = 0.0;
if (label >= 0.0) {
  value = Math.exp(logits[this.thread.x] - greatest[row]) / total[row];
  if (this.thread.x - row * ${d} === label) { value = value - 1.0; }
}
return value * share[0];`;
    const names = ["logits", "labels", "greatest", "total", "share"];
    return launch(kernelSource(names, body), [logits!.cells, labels!.cells, greatest, total, share], out.size);
  },
};

const countLabels = (count: number) => `let counted = 0.0;
${loop("n", count, "if (labels[n] >= 0.0) { counted += 1.0; }")}`;

/** Of each row the greatest cell and Σ exp(x − greatest). */
function exponentials(launch: Launch, x: GpuOperand) {
  const { d, count } = rowsOf(x);
  const most = `let greatest = -Infinity;
${loop("k", d, `greatest = Math.max(greatest, x[this.thread.x * ${d} + k]);`)}
return greatest;`;
  const greatest = launch(kernelSource(["x"], most), [x.cells], count);
  const total = sumRows(launch, x, (at) => `Math.exp(x[${at}] - greatest[this.thread.x])`, { x: x.cells, greatest });
  return { d, count, greatest, total };
}

/** Of each row the mean and 1 / √(σ² + ε). */
function moments(launch: Launch, x: GpuOperand, eps: number) {
  const { d, count } = rowsOf(x);
  const mean = sumRows(launch, x, (at) => `x[${at}]`, { x: x.cells }, d);
  const square = (k: string) => {
    const deviation = `(x[this.thread.x * ${d} + ${k}] - mean[this.thread.x])`;
    return `${deviation} * ${deviation}`;
  };
  const source = kernelSource(
    ["x", "mean", "eps"],
    `${sumOf("total", d, square)}\nreturn 1.0 / Math.sqrt(total / ${d} + eps);`,
  );
  return { d, count, mean, scale: launch(source, [x.cells, mean, eps], count) };
}

function rowsOf({ shape, cells }: GpuOperand): { d: number; count: number; cells: Cells } {
  const d = shape.at(-1)!;
  return { d, count: shape.slice(0, -1).reduce((product, n) => product * n, 1), cells };
}

/** Σ of `term`(position, column) over the columns of each row, divided by `divisor`; the row is this.thread.x. */
function sumRows(
  launch: Launch,
  x: GpuOperand,
  term: (at: string, column: string) => string,
  args: Readonly<Record<string, Cells>>,
  divisor = 1,
): Cells {
  const { d, count } = rowsOf(x);
  const total = sumOf("total", d, (k) => term(`this.thread.x * ${d} + ${k}`, k));
  return launch(kernelSource(Object.keys(args), `${total}\nreturn total / ${divisor};`), Object.values(args), count);
}

/** Each cell from its row and column. */
function cellsOfRows(
  launch: Launch,
  d: number,
  out: GpuResult,
  formula: string,
  args: Readonly<Record<string, Cells>>,
): Cells {
  const body = `const row = Math.floor(this.thread.x / ${d});
const column = this.thread.x - row * ${d};
return ${formula};`;
  return launch(kernelSource(Object.keys(args), body), Object.values(args), out.size);
}
