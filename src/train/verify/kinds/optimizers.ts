import * as z from "zod/mini";
import { Parameter } from "../../../autograd/graph.ts";
import { mul } from "../../../autograd/ops/arithmetic.ts";
import { reshape } from "../../../autograd/ops/layout.ts";
import { sqrt } from "../../../autograd/ops/transcendental.ts";
import { AdamW } from "../../../optim/adamw.ts";
import { clipFactor, squaredNorm } from "../../../optim/clip.ts";
import type { ParameterGroup } from "../../../optim/groups.ts";
import { cosineDecay, polynomialDecay } from "../../../optim/schedules.ts";
import { Sgd } from "../../../optim/sgd.ts";
import { fromArray } from "../../../tensor/create.ts";
import { DataError } from "../../../tensor/errors.ts";
import type { Tensor } from "../../../tensor/tensor.ts";
import type { Claim, Claims } from "../comparison.ts";
import type { GoldenCase, Tolerance, UnderTest } from "../golden-case.ts";

const variantSchema = z.looseObject({
  cls: z.string(),
  eps: z.optional(z.number()),
  betas: z.optional(z.tuple([z.number(), z.number()])),
  correct_bias: z.optional(z.boolean()),
  momentum: z.optional(z.number()),
  nesterov: z.optional(z.boolean()),
});
type Variant = z.output<typeof variantSchema>;

const optimizersSchema = z.looseObject({
  groups: z.array(z.object({ names: z.array(z.string()), weight_decay: z.number(), lr: z.number() })),
  variants: z.record(z.string(), variantSchema),
});
type Recorded = z.output<typeof optimizersSchema>;

/** Slots of our optimisers by the names of the recorded states. */
const SLOTS: Readonly<Record<string, string>> = { exp_avg: "m", exp_avg_sq: "v", momentum_buffer: "velocity" };

function optimizerOf(
  { cls, eps, betas, correct_bias, momentum, nesterov }: Variant,
  groups: ParameterGroup[],
): AdamW | Sgd {
  const adam = { ...(betas && { beta1: betas[0], beta2: betas[1] }), ...(eps !== undefined && { eps }) };
  if (cls === "transformers.optimization.AdamW")
    return new AdamW(groups, { ...adam, correctBias: correct_bias ?? true });
  if (cls === "torch.optim.AdamW") return new AdamW(groups, { ...adam, convention: "torch" });
  if (cls === "torch.optim.Adam") return new AdamW(groups, { ...adam, convention: "torch", decay: "gradient" });
  if (cls === "torch.optim.SGD") return new Sgd(groups, { momentum: momentum ?? 0, nesterov: nesterov ?? false });
  throw new DataError(`optimizers: unknown optimiser ${cls}`);
}

/** Parameters step by step under given gradients, the state at the end, and clipping. */
export function verifyOptimizers(golden: GoldenCase, underTest: UnderTest): Claims {
  const recorded = golden.read(optimizersSchema);
  const scheduled = [...golden.tensors.keys()].flatMap((name) => /^(\w+)_scheduled\/lr$/.exec(name)?.[1] ?? []);
  const claims = [
    ...Object.keys(recorded.variants).flatMap((name) => trajectoryClaims(golden, underTest, recorded, name, name)),
    ...scheduled.flatMap((name) => trajectoryClaims(golden, underTest, recorded, name, `${name}_scheduled`)),
  ];
  const inputs = [...golden.tensors.keys()].filter((name) => /^(p0|grad)\/|_scheduled\/lr$/.test(name));
  return { claims: [...claims, ...clipClaims(golden, underTest)], inputs };
}

function toleranceOf(golden: GoldenCase, { dtype }: UnderTest, name: string): Tolerance {
  const precise = dtype === "float64" && golden.entry(name).dtype === "F64";
  return precise
    ? golden.tolerance(["float64"], { atol: 1e-12, rtol: 0 })
    : golden.tolerance(["float32"], { atol: 1e-6, rtol: 0 });
}

function parametersOf(golden: GoldenCase, underTest: UnderTest, names: readonly string[]): Map<string, Parameter> {
  return new Map(names.map((name) => [name, new Parameter(golden.tensor(`p0/${name}`, underTest))]));
}

/** @param prefix of the tensors; with a recorded learning rate [steps, groups], or else the one of the groups */
function trajectoryClaims(golden: GoldenCase, underTest: UnderTest, recorded: Recorded, name: string, prefix: string) {
  const base = recorded.groups[0]!.lr;
  const groups = recorded.groups.map(({ names, weight_decay, lr }) => ({
    parameters: parametersOf(golden, underTest, names),
    ...{ weightDecay: weight_decay, learningRateMultiplier: lr / base },
  }));
  const optimizer = optimizerOf(recorded.variants[name]!, groups);
  const parameters = new Map(groups.flatMap((group) => [...group.parameters]));
  const rates = golden.tensors.get(`${prefix}/lr`);
  const steps = golden.entry(`grad/${[...parameters.keys()][0]}`).shape[0]!;
  const values = new Map([...parameters.keys()].map((parameter) => [parameter, [] as Promise<ArrayLike<number>>[]]));
  for (let step = 0; step < steps; step++) {
    for (const [parameter, own] of parameters) own.grad = gradientAt(golden, parameter, step, underTest);
    optimizer.step({ learningRate: rates ? rates.data[step * groups.length]! : base });
    for (const [parameter, { value }] of parameters) values.get(parameter)!.push(value.data());
  }
  const claims = [...values].flatMap(([parameter, read]) =>
    [`${prefix}/traj/${parameter}`, `${prefix}/traj64/${parameter}`]
      .filter((tensor) => golden.tensors.has(tensor))
      .map((tensor): Claim => {
        const { shape } = golden.entry(tensor);
        const data = Promise.all(read).then((steps) => steps.flatMap((step) => Array.from(step)));
        return { name: tensor, value: { shape, data }, tolerance: toleranceOf(golden, underTest, tensor) };
      }),
  );
  return [...claims, ...stateClaims(golden, underTest, prefix, new Map(optimizer.moments()))];
}

function stateClaims(
  golden: GoldenCase,
  underTest: UnderTest,
  name: string,
  state: ReadonlyMap<string, Claim["value"]>,
): Claim[] {
  return [...golden.tensors.keys()].flatMap((tensor): Claim[] => {
    const [, slot, parameter] = new RegExp(`^${name}/state64/(\\w+)/(.+)$`).exec(tensor) ?? [];
    const value = slot && state.get(`${parameter}.${SLOTS[slot]}`);
    if (!value) return [];
    const tolerance = toleranceOf(golden, underTest, tensor);
    return [{ name: tensor, value, tolerance: { ...tolerance, rtol: tolerance.atol } }];
  });
}

function gradientAt(golden: GoldenCase, parameter: string, step: number, underTest: UnderTest) {
  const { shape, data } = golden.entry(`grad/${parameter}`);
  const size = data.length / shape[0]!;
  return fromArray(data.subarray(step * size, (step + 1) * size), shape.slice(1), underTest);
}

const clipSchema = z.looseObject({ tensors: z.record(z.string(), z.looseObject({ description: z.string() })) });

/** The gradients of the first step, clipped. */
function clipClaims(golden: GoldenCase, underTest: UnderTest): Claim[] {
  const clipped = [...golden.tensors.keys()].filter((name) => name.startsWith("clip/grad/"));
  if (clipped.length === 0) return [];
  const names = clipped.map((name) => name.slice("clip/grad/".length));
  const parameters = parametersOf(golden, underTest, names);
  for (const [name, parameter] of parameters) parameter.grad = gradientAt(golden, name, 0, underTest);
  const squared = squaredNorm(parameters.values())!;
  const factor = clipFactor(squared, maxNormOf(golden, clipped[0]!));
  const claim = (name: string, value: Tensor): Claim => ({ name, value, tolerance: { atol: 1e-6, rtol: 1e-6 } });
  return [
    claim("clip/total_norm", reshape(sqrt(squared), golden.entry("clip/total_norm").shape)),
    ...[...parameters].map(([name, { grad }]) => claim(`clip/grad/${name}`, mul(grad!, factor))),
  ];
}

/** The bound stands in the description of the clipped gradients alone. */
function maxNormOf(golden: GoldenCase, name: string): number {
  const { description } = golden.read(clipSchema).tensors[name]!;
  const [, bound] = /clip_grad_norm_\(([\d.]+)\)/.exec(description) ?? [];
  if (bound === undefined) throw new DataError(`${golden.name}: the description of ${name} names no bound`);
  return Number(bound);
}

const schedulesSchema = z.looseObject({
  schedules: z.array(
    z.object({
      ...{ lr: z.number(), lr_mult: z.number(), end_lr: z.number(), power: z.union([z.number(), z.literal("cosine")]) },
      ...{ max_steps: z.number(), warmup_steps: z.number(), n: z.number(), tensor: z.string() },
    }),
  ),
});

/** Learning rates of the two groups at each step. */
export function verifySchedules(golden: GoldenCase): Claims {
  const { schedules } = golden.read(schedulesSchema);
  const claims = schedules.map(({ lr, lr_mult, end_lr, power, max_steps, warmup_steps, n, tensor }): Claim => {
    const steps = { warmupSteps: warmup_steps, totalSteps: max_steps };
    const factor = power === "cosine" ? cosineDecay(steps) : polynomialDecay({ ...steps, power, end: end_lr / lr });
    const data = Array.from({ length: n }, (_, step) => [lr * factor(step), lr * lr_mult * factor(step)]).flat();
    return {
      name: tensor,
      value: { shape: [n, 2], data },
      tolerance: golden.tolerance(["float64"], { atol: 0, rtol: 1e-12 }),
    };
  });
  return { claims };
}
