import { sizeOf } from "../../../shape.ts";
import { kernelSource } from "../source.ts";
import type { GpuOperand, GpuUpdate, Launch } from "./types.ts";

/**
 * New cells in the place of the old, since a GPU does not change memory in place; the equations are the `cpu` device's.
 * What changes from step to step comes as an argument, so that nothing is compiled again.
 */
export const update = {
  adamw: (...[launch, operands, attributes]: Parameters<GpuUpdate<"adamw">>) =>
    grouped(operands, operandsOf.adamw).flatMap((some) => adamw(launch, some, attributes)),
  sgd: (...[launch, operands, attributes]: Parameters<GpuUpdate<"sgd">>) =>
    grouped(operands, operandsOf.sgd).flatMap((some) => sgd(launch, some, attributes)),
};

/** The operands of one parameter: itself, its gradient and what the optimiser keeps of it. */
export const operandsOf = { adamw: 4, sgd: 3 } as const;

/** Operands of several parameters, `width` of each. */
function grouped(operands: readonly GpuOperand[], width: number): GpuOperand[][] {
  return Array.from({ length: operands.length / width }, (_, i) => operands.slice(i * width, (i + 1) * width));
}

function adamw(...[launch, [p, grad, m, v], attributes]: Parameters<GpuUpdate<"adamw">>) {
  const { gradScale, beta1, beta2, eps, stepSize, gradientDecay, decayBefore, decayAfter } = attributes;
  const count = sizeOf(p!.shape);
  const scalars = { gradScale, gradientDecay };
  const slope = "(gradScale * grad[this.thread.x] + gradientDecay * p[this.thread.x])";
  const known = { p: p!.cells, grad: grad!.cells, ...scalars };
  const mean = map(launch, count, `beta * m[this.thread.x] + rest * ${slope}`, {
    ...{ ...known, m: m!.cells },
    ...{ beta: beta1, rest: 1 - beta1 },
  });
  const square = map(launch, count, `beta * v[this.thread.x] + rest * ${slope} * ${slope}`, {
    ...{ ...known, v: v!.cells },
    ...{ beta: beta2, rest: 1 - beta2 },
  });
  const moved =
    "(p[this.thread.x] - decayBefore * p[this.thread.x] - stepSize * mean[this.thread.x] / (Math.sqrt(square[this.thread.x]) + eps))";
  const value = map(launch, count, `${moved} - decayAfter * ${moved}`, {
    ...{ p: p!.cells, mean, square },
    ...{ stepSize, eps, decayBefore, decayAfter },
  });
  return [value, null, mean, square];
}

function sgd(...[launch, [p, grad, velocity], attributes]: Parameters<GpuUpdate<"sgd">>) {
  const { learningRate, momentum, nesterov, weightDecay, gradScale } = attributes;
  const count = sizeOf(p!.shape);
  const slope = "(gradScale * grad[this.thread.x] + weightDecay * p[this.thread.x])";
  const known = { p: p!.cells, grad: grad!.cells, gradScale, weightDecay, momentum };
  const speed = map(launch, count, `momentum * velocity[this.thread.x] + ${slope}`, {
    ...known,
    velocity: velocity!.cells,
  });
  const value = nesterov
    ? map(launch, count, `p[this.thread.x] - learningRate * (${slope} + momentum * speed[this.thread.x])`, {
        ...known,
        speed,
        learningRate,
      })
    : map(launch, count, "p[this.thread.x] - learningRate * speed[this.thread.x]", {
        ...{ p: p!.cells, speed, learningRate },
      });
  return [value, null, speed];
}

function map(
  launch: Launch,
  count: number,
  formula: string,
  args: Readonly<Record<string, Parameters<Launch>[1][number]>>,
) {
  return launch(kernelSource(Object.keys(args), `return ${formula};`), Object.values(args), count);
}
