import t from "tap";
import { anomaly } from "../../src/autograd/anomaly.ts";
import { attention } from "../../src/autograd/functions/attention.ts";
import { mean } from "../../src/autograd/functions/mean.ts";
import { softmax } from "../../src/autograd/functions/softmax.ts";
import { backward, grad } from "../../src/autograd/grad.ts";
import { Parameter, variable } from "../../src/autograd/graph.ts";
import { div, mul } from "../../src/autograd/ops/arithmetic.ts";
import { pad } from "../../src/autograd/ops/layout.ts";
import { sum } from "../../src/autograd/ops/reduce.ts";
import { where } from "../../src/autograd/ops/select.ts";
import { exp, log, pow } from "../../src/autograd/ops/transcendental.ts";
import { randn, tensor, zeros } from "../../src/tensor/create.ts";
import { AnomalyError } from "../../src/tensor/errors.ts";
import { Rng } from "../../src/tensor/rng.ts";
import { ints, values } from "../support.ts";

t.afterEach(() => anomaly(false));

for (const device of ["cpu", "wasm"])
  t.test(`anomaly on ${device}: the first bad value, forward and backward`, async (t) => {
    anomaly(true);
    t.throws(() => log(mul(tensor([1, -1], { device }), 2)), { name: "AnomalyError", message: /^log: 1 of 2 values/ });
    t.throws(() => exp(tensor([1, 1000, 2000], { device })), { message: /2 of 3 values are not finite \(infinite/ });
    t.throws(() => mul(tensor([[1, 1 / 0]], { device }), 2), {
      message: /at \[0, 1\] of \[1, 2\].*input 0 was bad before: it is the result of tensor/s,
    });
    const w = new Parameter(tensor([0, 1], { device }));
    const root = mean(pow(w.value, 0.5));
    t.throws(() => backward(root), {
      message: /in the pull-back of pow, which ran at \S*anomaly\.test\.ts:\d+:\d+\n {2}called at \S*anomaly\.test\.ts/,
    });
    anomaly(false);
    t.ok(Number.isNaN(values(log(tensor([-1], { device })))[0]), "off again");
  });

t.test("anomaly: for the time of a function, whatever happens in it", async (t) => {
  t.equal(
    anomaly(() => 5),
    5,
  );
  t.throws(() => anomaly(() => div(zeros([1]), zeros([1]))), AnomalyError);
  t.ok(Number.isNaN(div(zeros([1]), zeros([1])).item()), "off after an error");
  t.throws(() => anomaly(async () => 1), { message: /call anomaly\(true\) before and anomaly\(false\) after it/ });
  anomaly(true);
  anomaly(() => exp(zeros([1])));
  t.throws(() => div(zeros([1]), zeros([1])), AnomalyError, "on after a function, as before it");
});

for (const device of ["cpu", "wasm"])
  t.test(`anomaly on ${device}: infinities that are meant pass, inside of compositions too`, async (t) => {
    anomaly(true);
    const scores = variable(randn([2, 3], new Rng(1), { device }));
    const mask = ints([1, 0, 1, 1, 1, 0], [2, 3], device);
    const masked = where(mask, scores, -Infinity);
    t.same(values(softmax(masked)).filter((p) => p === 0).length, 2);
    t.equal(values(pad(scores, [0, 1], [0, 0], -Infinity))[0], -Infinity);
    const qkv = variable(randn([2, 3, 12], new Rng(2), { device }));
    const y = sum(attention(qkv, 2, mask));
    t.ok(values(grad(y, [qkv])[0]!).every(Number.isFinite), "attention masks with −∞ in its definition");
    const bad = tensor([1, -Infinity, 1], { device });
    t.throws(() => where(mask, scores, bad), { message: /^where: .*input 2 was bad before/s });
  });
