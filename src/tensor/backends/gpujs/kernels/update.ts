import type { Attributes } from "../../../kernels.ts";
import { sizeOf } from "../../../shape.ts";
import { Cells } from "../cells.ts";
import { CELL, inGroups, kernelSource, quotient } from "../source.ts";
import type { GpuOperand, GpuUpdate, Launch } from "./types.ts";

/**
 * New cells in the place of the old, since a GPU does not change memory in place; the equations are the `cpu` device's.
 * What changes from step to step comes as an argument, so that nothing is compiled again.
 */
export const update = {
  adamw: (...[launch, operands, attributes]: Parameters<GpuUpdate<"adamw">>) =>
    inGroups(operands.slice(0, -1), operandsOf.adamw).flatMap((some) =>
      adamw(launch, some, operands.at(-1)!, attributes),
    ),
  sgd: (...[launch, operands, attributes]: Parameters<GpuUpdate<"sgd">>) =>
    inGroups(operands.slice(0, -1), operandsOf.sgd).flatMap((some) => sgd(launch, some, operands.at(-1)!, attributes)),
};

/** The operands of one parameter: itself, its gradient and what the optimiser keeps of it. The factor of the gradients is last. */
export const operandsOf = { adamw: 4, sgd: 3 } as const;

/** Both moments in one launch, one behind the other, and the value from them. */
function adamw(
  launch: Launch,
  [p, grad, m, v]: readonly GpuOperand[],
  scale: GpuOperand,
  attributes: Attributes<"adamw">,
) {
  const { beta1, beta2, eps, stepSize, gradientDecay, decayBefore, decayAfter } = attributes;
  const count = sizeOf(p!.shape);
  const before =
    Cells.wholeOf([m!.cells, v!.cells]) ??
    launch(kernelSource(["m", "v"], oneBehindOther(count, "m[at]", "v[at]")), [m!.cells, v!.cells], 2 * count);
  const slope = "(gradScale[0] * grad[at] + gradientDecay * p[at])";
  const known = { moments: before, p: p!.cells, grad: grad!.cells, gradScale: scale.cells, gradientDecay };
  const rates = { beta1, rest1: 1 - beta1, beta2, rest2: 1 - beta2 };
  const next = oneBehindOther(
    count,
    `beta1 * moments[${CELL}] + rest1 * ${slope}`,
    `beta2 * moments[${CELL}] + rest2 * ${slope} * ${slope}`,
  );
  const args = { ...known, ...rates };
  const moments = launch(kernelSource(Object.keys(args), next), Object.values(args), 2 * count);
  const [mean, square] = [`moments[${CELL}]`, `moments[${CELL} + ${count}]`];
  const moved = `(p[${CELL}] - decayBefore * p[${CELL}] - stepSize * ${mean} / (Math.sqrt(${square}) + eps))`;
  const value = map(launch, count, `${moved} - decayAfter * ${moved}`, {
    ...{ p: p!.cells, moments },
    ...{ stepSize, eps, decayBefore, decayAfter },
  });
  return [value, null, Cells.stretchOf(moments, 0, count), Cells.stretchOf(moments, count, count)];
}

/** Statements for two arrays of `count` cells, of which `at` is the position in each. */
function oneBehindOther(count: number, first: string, second: string): string {
  return `const part = ${quotient(CELL, count)};
const at = ${CELL} - part * ${count};
let value = ${first};
if (part > 0.5) { value = ${second}; }
return value;`;
}

function sgd(
  launch: Launch,
  [p, grad, velocity]: readonly GpuOperand[],
  scale: GpuOperand,
  attributes: Attributes<"sgd">,
) {
  const { learningRate, momentum, nesterov, weightDecay } = attributes;
  const count = sizeOf(p!.shape);
  const slope = "(gradScale[0] * grad[this.thread.x] + weightDecay * p[this.thread.x])";
  const known = { p: p!.cells, grad: grad!.cells, gradScale: scale.cells, weightDecay, momentum };
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
