import t from "tap";
import * as v from "../../src/browser.ts";
import { devices } from "./devices.ts";

/** Functions of one tensor whose kernels, some of them answered by cpu, are to fit together on every device. */
const functions: readonly [name: string, f: (x: v.Tensor) => v.Tensor][] = [
  ["prod", (x) => v.prod(x, 1)],
  ["std", (x) => v.std(x, 0, { correction: 1 })],
  ["logSumExp", (x) => v.logSumExp(x, [0, 1])],
  ["norm", (x) => v.norm(x)],
  ["norm of p = 3", (x) => v.norm(x, 1, { p: 3 })],
  ["cumsum", (x) => v.cumsum(x, 0)],
  ["sort", (x) => v.sort(x, 0).values],
  ["topK", (x) => v.topK(x, 2).values],
  ["softplus", (x) => v.softplus(x)],
  ["silu", v.silu],
  ["elu", (x) => v.elu(x)],
  ["leakyRelu", (x) => v.leakyRelu(x)],
  ["gelu", (x) => v.gelu(x)],
  ["gelu, tanh", (x) => v.gelu(x, { approximate: "tanh" })],
  ["normalCdf", v.normalCdf],
  ["log1p", (x) => v.log1p(v.exp(x))],
  ["pow", (x) => v.pow(v.exp(x), 1.5)],
  ["clamp", (x) => v.clamp(x, -0.5, 0.5)],
  ["roll", (x) => v.roll(x, 1, 0)],
  ["tile", (x) => v.tile(x, [2, 3])],
];

/** y = f(x), the gradient of Σ y² and the gradient of the sum of its squares. */
function derivatives(f: (x: v.Tensor) => v.Tensor, placement: v.Placement): number[][] {
  const x = v.variable(v.randn([3, 5], new v.Rng("functions"), placement));
  const y = f(x);
  const [first] = v.grad(v.sum(v.square(y)), [x], { createGraph: true });
  const [second] = v.grad(v.sum(v.square(first)), [x], { retainGraph: true });
  return [y, first, second].map((z) => Array.from(z.dataSync()));
}

for (const device of devices)
  t.test(`${device}: composed functions are those of cpu in float64, to second order`, async (t) => {
    for (const [name, f] of functions) {
      const actual = derivatives(f, { device, dtype: "float32" });
      const expected = derivatives(f, { device: "cpu", dtype: "float64" });
      const errors = actual.map((cells, order) =>
        Math.max(
          ...cells.map((a, i) => Math.abs(a - expected[order][i]) / Math.max(1, ...expected[order].map(Math.abs))),
        ),
      );
      t.ok(
        errors.every((error) => error < 1e-5),
        `${name}: ${errors.map((e) => e.toExponential(1)).join(", ")}`,
      );
    }
  });

t.test("meta: shapes alone are enough for all of them", async (t) => {
  const [known, shapes] = [
    v.randn([3, 5], new v.Rng(0), { device: "cpu" }),
    v.randn([3, 5], new v.Rng(0), { device: "meta" }),
  ];
  for (const [name, f] of functions) t.same(f(shapes).shape, f(known).shape, name);
});
