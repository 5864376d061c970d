import t from "tap";
import { batchNorm, runningStatistics } from "../../src/autograd/functions/batch-norm.ts";
import { conv2d } from "../../src/autograd/functions/convolution.ts";
import { groupNorm } from "../../src/autograd/functions/group-norm.ts";
import { rmsNorm } from "../../src/autograd/functions/rms-norm.ts";
import { backward } from "../../src/autograd/grad.ts";
import { sum } from "../../src/autograd/ops/reduce.ts";
import { BatchNorm } from "../../src/nn/batch-norm.ts";
import { Conv2d } from "../../src/nn/conv2d.ts";
import { GroupNorm } from "../../src/nn/group-norm.ts";
import { RmsNorm } from "../../src/nn/rms-norm.ts";
import { ones, zeros } from "../../src/tensor/create.ts";
import { Rng } from "../../src/tensor/rng.ts";
import { draw, exact, values } from "../support.ts";

t.test("Conv2d: its parameters, its spread, and conv2d of them", async (t) => {
  const options = { rng: new Rng(0), ...exact, stride: 2, padding: 1, groups: 2 } as const;
  const layer = new Conv2d(4, 6, [3, 2], options);
  t.same(
    [...layer.namedParameters()].map(([name, { shape }]) => [name, shape]),
    [
      ["weight", [6, 2, 3, 2]],
      ["bias", [6]],
    ],
  );
  const x = draw([2, 4, 5, 5]);
  const out = layer.forward(x);
  t.same(
    values(out),
    values(conv2d(x, layer.weight.value, { stride: 2, padding: 1, groups: 2 })),
    "the bias starts at 0",
  );
  backward(sum(out));
  t.same(layer.weight.grad!.shape, [6, 2, 3, 2]);
  t.same(values(layer.bias!.grad!), new Array(6).fill(2 * 3 * 3), "one for each position");
  t.equal(new Conv2d(1, 1, 3, { rng: null, bias: false }).bias, null);
  const wide = new Conv2d(16, 64, 3, { rng: new Rng(1), initializer: "fanIn", ...exact });
  const spread = Math.sqrt(values(wide.weight.value).reduce((s, v) => s + v * v, 0) / (64 * 16 * 9));
  t.ok(Math.abs(spread * 12 - 1) < 0.05, "1 / √(16 · 3 · 3)");
  t.throws(() => new Conv2d(3, 4, 1, { rng: null, groups: 2 }), {
    name: "ConfigError",
    message: "Conv2d: 3 → 4 channels do not divide into 2 groups",
  });
});

t.test("normalising layers start as the plain functions", async (t) => {
  const x = draw([2, 4, 3]);
  t.same(values(new GroupNorm(2, 4, 1e-5, exact).forward(x)), values(groupNorm(x, 2)));
  t.same(values(new RmsNorm(3, 1e-6, exact).forward(x)), values(rmsNorm(x)));
  t.throws(() => new GroupNorm(3, 4, 1e-5), { message: "GroupNorm: 4 channels do not divide into 3 groups" });
  const layer = new BatchNorm(4, 1e-5, exact);
  const { out, statistics } = layer.forward(x);
  t.same(values(out), values(batchNorm(x).out));
  const running = runningStatistics({ mean: zeros([4], exact), variance: ones([4], exact) }, statistics!, 1);
  const evaluated = layer.forward(x, running);
  t.equal(evaluated.statistics, null);
  const scale = Math.sqrt(5 / 6); // the unbiased variance of 6 cells is 6/5 of theirs
  t.ok(values(evaluated.out).every((v, k) => Math.abs(v / values(out)[k]! - scale) < 1e-5));
  for (const module of [layer, new GroupNorm(2, 4, 1e-5)]) t.equal(module.countParameters(), 8);
});
