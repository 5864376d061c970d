import { anomaly } from "../../src/autograd/anomaly.ts";
import { checkpoint } from "../../src/autograd/checkpoint.ts";
import { defineFunction } from "../../src/autograd/define-function.ts";
import { jvp, vjp } from "../../src/autograd/derivatives.ts";
import { backward, grad } from "../../src/autograd/grad.ts";
import { gradcheck } from "../../src/autograd/gradcheck.ts";
import { detach, noGrad, Parameter, record, variable } from "../../src/autograd/graph.ts";
import { onGrad } from "../../src/autograd/hooks.ts";
import { mul } from "../../src/autograd/ops/arithmetic.ts";
import { sum } from "../../src/autograd/ops/reduce.ts";
import { cast } from "../../src/autograd/ops/select.ts";
import { log, sqrt } from "../../src/autograd/ops/transcendental.ts";
import { tensor } from "../../src/tensor/create.ts";
import { scope } from "../../src/tensor/scope.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { f32, f64, i32, type Row } from "./row.ts";

/** A result with a pull-back that answers what it should not. */
function withPullBacks(...shares: (() => Tensor)[]): [Tensor, Tensor] {
  const x = variable(f64(2));
  const out = f64(2);
  record("strange", [x], out, () => shares);
  return [sum(out), x];
}

const custom = (share: unknown) =>
  defineFunction({
    name: "cube",
    forward: (x: Tensor) => mul(x, mul(x, x)),
    pullBack: () => share as (Tensor | null)[],
  });

/** A loss whose graph has been used. */
function spent(): Tensor {
  const loss = sum(mul(new Parameter(f64(2)).value, 2));
  backward(loss);
  return loss;
}

function changedParameter(): void {
  const w = new Parameter(f64(2));
  const y = sum(checkpoint((x: Tensor) => mul(x, w.value), variable(f64(2))));
  w.value = f64(2);
  backward(y);
}

function changedShape(): void {
  let n = 2;
  const x = variable(f64(2));
  const y = sum(checkpoint((x: Tensor) => mul(x, f64(n++, 2)), x));
  grad(y, [x]);
}

/** Graphs, gradients and what checks them. */
export const derivatives: readonly Row[] = [
  [
    () => backward(f64(2)),
    "backward(): the result has more than one element; reduce it or pass a seed of its shape: [2]",
  ],
  [
    () => backward(sum(f64(2))),
    "backward: the result depends on no parameter; was it computed under noGrad or detached?",
  ],
  [() => backward(sum(f64(2)), { seed: f64(3) }), "backward(): the seed's shape is not the result's: [3] and []"],
  [
    () => backward(spent()),
    "the graph that computed sum was released by backward(); pass { retainGraph: true } to use it again",
  ],
  [
    () => grad(sum(detach(variable(f64(2)))), [variable(f64(2))]),
    "grad: the result does not depend on input 0 ([2]); was it detached? { allowUnused: true } answers zeros",
  ],
  [
    () => grad(withPullBacks()[0], [withPullBacks()[1]]),
    "grad: the result does not depend on input 0 ([2]); was it detached? { allowUnused: true } answers zeros",
  ],
  [
    () => {
      const [y, x] = withPullBacks();
      grad(y, [x]);
    },
    "strange: the pull-back answers 0 gradients for 1 inputs",
  ],
  [
    () => {
      const [y, x] = withPullBacks(() => f64(3));
      grad(y, [x]);
    },
    "strange: the gradient of input 0 does not have the input's shape: [3] and [2]",
  ],
  [
    () => {
      const [y, x] = withPullBacks(() => cast(f64(2), "int32"));
      grad(y, [x]);
    },
    "strange: the gradient of input 0 is int32, the input is float64",
  ],
  [() => noGrad(async () => 1), "noGrad: the function is asynchronous; await outside of it"],
  [() => onGrad(f64(2), () => undefined), "onGrad: the result of ones has no history; variable() gives it one"],
  [
    () => {
      const x = variable(f64(2));
      onGrad(x, () => f64(3));
      grad(sum(x), [x]);
    },
    "onGrad: the hook's answer does not have the gradient's shape: [3] and [2]",
  ],
  [
    () => {
      const x = variable(f64(2));
      onGrad(x, () => cast(f64(2), "int32"));
      grad(sum(x), [x]);
    },
    "onGrad: the hook answers int32 for a gradient of float64",
  ],
  [
    () => {
      const x = variable(f64(2));
      grad(sum(custom("x")(x)), [x]);
    },
    "cube: pullBack answers no list; one gradient per input is due",
  ],
  [
    () => {
      const x = variable(f64(2));
      grad(sum(custom(["x"])(x)), [x]);
    },
    "cube: pullBack answers string for input 0; null means that there is none",
  ],
  [
    () => {
      const x = variable(f64(2));
      const take = defineFunction({
        name: "take",
        forward: (x: Tensor, _indices: Tensor) => mul(x, 2),
        pullBack: ({ grad }) => [grad, grad],
      });
      grad(sum(take(x, i32(2))), [x]);
    },
    "take: pullBack answers a gradient for input 1, which is int32; answer null",
  ],
  [
    () => checkpoint((() => [f64(2)]) as unknown as (x: Tensor) => Tensor, f64(2)),
    "checkpoint: the function answers an array, not one tensor",
  ],
  [
    changedParameter,
    "checkpoint: the function was computed again for its gradient and used another tensor than before (the result of parameter, [2]); was a parameter changed in between?",
  ],
  [changedShape, "checkpoint: computed again for its gradient, the result has another shape: [3, 2] and [2, 2]"],
  [() => vjp(() => f64(), [] as never), "vjp: there is no input"],
  [() => vjp((x: Tensor) => x, [i32(2)]), "vjp: input 0 is int32, which has no derivative; let f close over it"],
  [() => jvp((x: Tensor) => x, [f64(2)], [] as never), "jvp: 0 tangents for 1 inputs: [2]"],
  [() => jvp((x: Tensor) => x, [f64(2)], [f64(3)]), "jvp: tangent 0 does not have the shape of its input: [3] and [2]"],
  [() => gradcheck((x: Tensor) => x, [f32(2)]), "gradcheck: input 0 is float32; differences need float64"],
  [() => gradcheck((x: Tensor) => x, [i32(2)]), "gradcheck: there is no float64 input to move"],
  [
    () => gradcheck((x: Tensor) => cast(x, "float32"), [f64(2)]),
    "gradcheck: f answers float32; differences need float64",
  ],
  [() => gradcheck((x: Tensor) => x, [f64(2)], { directions: 0 }), "gradcheck: 0 directions check nothing"],
  [
    () => anomaly(async () => 1),
    "anomaly: the function is asynchronous, and what follows its first await would not be searched; call anomaly(true) before and anomaly(false) after it",
  ],
  [
    () => anomaly(() => log(tensor([[1, -1]], { device: "cpu" }))),
    /^log: 1 of 2 values is not finite \(NaN first, at \[0, 1\] of \[1, 2\]\)\n {2}called at \S*test\/errors\/derivatives\.ts:\d+:\d+\n {2}input 0 \[1, 2\] float32: values from -1 to 1\n {2}all inputs were finite: it begins here$/,
  ],
  [
    () => anomaly(() => grad((x) => sum(sqrt(x)))(tensor([0, 4], { device: "cpu" }))),
    /^div: 1 of 2 values is not finite \(infinite first, at \[0\] of \[2\]\)\n {2}in the pull-back of sqrt, which ran at \S*derivatives\.ts:\d+:\d+\n {2}called at \S*derivatives\.ts:\d+:\d+\n {2}input 0 /,
  ],
  [
    () => scope(() => anomaly(() => mul(tensor([Number.NaN, 1], { device: "cpu" }), 2))),
    /\n {2}input 0 \[2\] float32: values from 1 to 1, and 1 NaN and 0 infinite\n {2}input 1 \[\] float32: values from 2 to 2\n {2}input 0 was bad before: it is the result of tensor$/,
  ],
];
