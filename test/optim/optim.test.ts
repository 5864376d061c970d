import t from "tap";
import { backward } from "../../src/autograd/grad.ts";
import { Parameter } from "../../src/autograd/graph.ts";
import { mul } from "../../src/autograd/ops/arithmetic.ts";
import { sum } from "../../src/autograd/ops/reduce.ts";
import { AdamW } from "../../src/optim/adamw.ts";
import { clipFactor, globalNorm } from "../../src/optim/clip.ts";
import { decayGroups } from "../../src/optim/groups.ts";
import { cosineDecay, polynomialDecay } from "../../src/optim/schedules.ts";
import { tensor } from "../../src/tensor/create.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { exact, values } from "../support.ts";

const close = (actual: number, expected: number, tolerance = 1e-10) => Math.abs(actual - expected) <= tolerance;

t.test("AdamW: the three steps of the specification (appendix B)", async (t) => {
  const p = new Parameter(tensor([[1]], exact));
  const optimizer = new AdamW(decayGroups(new Map([["p", p]]), 0.01));
  for (const [gradient, expected] of [
    [0.5, 0.9998990001],
    [-0.2, 0.9998633189],
    [0.1, 0.9998240856],
  ] as const) {
    optimizer.zeroGrad();
    backward(sum(mul(p.value, gradient)));
    optimizer.step({ learningRate: 1e-4 });
    t.ok(close(p.value.item(), expected), `${p.value.item()} is ${expected}`);
  }
});

t.test("AdamW: biases do not decay, clipping scales gradients, state can be restored", async (t) => {
  const make = () =>
    new Map([
      ["w", new Parameter(tensor([[3, 4]], exact))],
      ["b", new Parameter(tensor([3, 4], exact))],
    ]);
  const step = (parameters: Map<string, Parameter>, optimizer: AdamW, gradScale: number) => {
    optimizer.zeroGrad();
    for (const parameter of parameters.values()) backward(sum(mul(parameter.value, parameter.value)));
    optimizer.step({ learningRate: 0.1, gradScale });
  };
  const a = make();
  const optimizer = new AdamW(decayGroups(a, 0.5));
  step(a, optimizer, 1);
  const [w, b] = [values(a.get("w")!.value), values(a.get("b")!.value)];
  t.ok(
    w.every((v, i) => close(v, b[i]! * (1 - 0.1 * 0.5))),
    "only the matrix decays",
  );

  const copy = make();
  for (const [name, parameter] of copy) parameter.value = a.get(name)!.value;
  const resumed = new AdamW(decayGroups(copy, 0.5));
  resumed.restore(new Map(optimizer.moments()), optimizer.stepCount);
  step(a, optimizer, 0.3);
  step(copy, resumed, 0.3);
  for (const [name, parameter] of copy)
    t.same(values(parameter.value), values(a.get(name)!.value), `${name} goes on alike`);
  t.throws(() => resumed.restore(new Map(), 1), { message: /no moments of w/ });
  t.throws(() => new AdamW([...decayGroups(a, 0), ...decayGroups(a, 0)]), { message: /in two groups/ });
});

t.test("AdamW: a value that somebody else holds is not overwritten", async (t) => {
  const start = tensor([[1, 2]], exact);
  const p = new Parameter(start);
  const optimizer = new AdamW(decayGroups(new Map([["p", p]]), 0));
  const before = p.value.alias();
  for (let i = 0; i < 2; i++) {
    backward(sum(mul(p.value, 1)));
    optimizer.step({ learningRate: 0.1 });
  }
  t.same(
    [values(start), values(before)],
    [
      [1, 2],
      [1, 2],
    ],
  );
  t.notSame(values(p.value), [1, 2]);
});

t.test(
  "a factor of the gradients that is still on its device scales like a number, and has to be where they are",
  async (t) => {
    const stepBy = (gradScale: number | Tensor) => {
      const p = new Parameter(tensor([1, 2], exact));
      p.grad = tensor([0.5, -3], exact);
      const optimizer = new AdamW([{ parameters: new Map([["p", p]]), weightDecay: 0.1 }], { eps: 1 });
      optimizer.step({ learningRate: 0.1, gradScale });
      return values(p.value);
    };
    t.same(stepBy(tensor(0.25, exact)), stepBy(0.25));
    t.notSame(stepBy(0.25), stepBy(1));
    t.throws(() => stepBy(tensor(0.25, { device: "wasm" })), {
      message: "AdamW.step: gradScale is on device wasm, the parameters are on cpu",
    });
  },
);

t.test("gradient norm and clipping", async (t) => {
  const [a, b] = [new Parameter(tensor([3], exact)), new Parameter(tensor([4], exact))];
  t.equal(globalNorm([a, b]), 0, "no gradient yet");
  for (const p of [a, b]) backward(sum(mul(mul(p.value, p.value), 0.5)));
  t.equal(globalNorm([a, b]), 5);
  const factorOf = (norm: number) => clipFactor(tensor(norm * norm, exact), 1).item();
  t.equal(factorOf(0.5), 1);
  t.equal(factorOf(Number.NaN), 1);
  t.ok(close(factorOf(5) * 5, 1, 1e-6));
});

t.test("schedules: the table of the specification (appendix B), and bad lengths", async (t) => {
  const factor = polynomialDecay({ warmupSteps: 2500, totalSteps: 100_000 });
  const table = [
    [0, 0],
    [1, 0.0004],
    [1250, 0.5],
    [2500, 1],
    [2501, 0.99998974],
    [51_250, 0.5],
    [100_000, 0],
    [100_001, 0],
  ];
  for (const [step, expected] of table) t.ok(close(factor(step!), expected!, 1e-8), `step ${step}`);
  const cosine = cosineDecay({ warmupSteps: 10, totalSteps: 110 });
  t.same(
    [5, 10, 60, 110].map((step) => Math.round(cosine(step) * 1e9) / 1e9),
    [0.5, 1, 0.5, 0],
  );
  t.throws(() => polynomialDecay({ warmupSteps: 5, totalSteps: 5 }), { message: /5 warm-up steps of 5/ });
});
