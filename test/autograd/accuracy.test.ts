/*
 * Functions of one operand in float64 on `cpu` against true values, which `fixed-point.ts` computes in whole numbers of
 * 1280 fractional bits: no table, and nothing of the code under test. The unit is that of the result's last place.
 */
import t from "tap";
import { silu, softplus } from "../../src/autograd/functions/activations.ts";
import { gelu } from "../../src/autograd/functions/gelu.ts";
import { erf, erfc, exp, expm1, log, log1p, normalCdf, sigmoid, tanh } from "../../src/autograd/ops/transcendental.ts";
import { fromArray } from "../../src/tensor/create.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { exact, values } from "../support.ts";
import {
  fixed,
  multiply,
  ONE,
  spread,
  trueErf,
  trueErfc,
  trueExp,
  trueGelu,
  trueLog,
  trueNormalCdf,
  trueSigmoid,
  trueSoftplus,
  trueTanh,
  unitsOff,
} from "../tensor/fixed-point.ts";

const opposite = (points: readonly number[]) => points.map((x) => -x);
const tiny = [1e-300, 1e-20, 1e-8, 2 ** -30, 1e-3];
/** Between the powers of 2, from the smallest normal double to the largest. */
const magnitudes = spread(-1021, 1023, 200).map((x) => 2 ** x);

const cases: readonly [
  name: string,
  f: (x: Tensor) => Tensor,
  truth: (x: bigint) => bigint,
  units: number,
  points: readonly number[],
][] = [
  ["exp", exp, trueExp, 1, [...tiny, ...spread(-745, -20, 100), ...spread(-20, 20, 400), ...spread(20, 709, 100)]],
  [
    "expm1",
    expm1,
    (x) => trueExp(x) - ONE,
    1,
    [...tiny, ...opposite(tiny), ...spread(-40, -1, 100), ...spread(-1, 1, 400), ...spread(1, 700, 100)],
  ],
  ["log", log, trueLog, 1, [...magnitudes.filter((x) => x < 2 ** 900), ...spread(0.5, 2, 400)]],
  [
    "log1p",
    log1p,
    (x) => trueLog(ONE + x),
    1,
    [...tiny, ...opposite(tiny), ...spread(-1, 1, 400), ...spread(1, 1e6, 100)],
  ],
  ["tanh", tanh, trueTanh, 1.5, [...tiny, ...spread(-25, -1, 100), ...spread(-1, 1, 300), ...spread(1, 25, 100)]],
  [
    "sigmoid",
    sigmoid,
    trueSigmoid,
    2,
    [...spread(-740, -12, 100), ...spread(-12, -5, 300), ...spread(-5, 5, 400), ...spread(5, 40, 100)],
  ],
  ["erf", erf, trueErf, 1.5, [1e-20, 1e-8, ...spread(-6, 6, 500)]],
  ["erfc", erfc, trueErfc, 0.75, [...tiny, ...opposite(tiny), ...spread(-6, 6, 800), ...spread(6, 27.2, 300)]],
  [
    "normalCdf",
    normalCdf,
    trueNormalCdf,
    0.75,
    [...tiny, ...opposite(tiny), ...spread(-38.5, -6, 300), ...spread(-6, 9, 800)],
  ],
  [
    "gelu",
    gelu,
    trueGelu,
    1.5,
    [...tiny, ...opposite(tiny), ...spread(-37.5, -6, 300), ...spread(-6, 9, 800), 40, 500],
  ],
  [
    "softplus",
    softplus,
    trueSoftplus,
    2,
    [...tiny, ...opposite(tiny), ...spread(-740, -5, 100), ...spread(-5, 5, 400), ...spread(5, 800, 100)],
  ],
  [
    "silu",
    silu,
    (x) => multiply(x, trueSigmoid(x)),
    3.5,
    [...tiny, ...spread(-700, -5, 100), ...spread(-5, 5, 400), ...spread(5, 40, 100)],
  ],
];

for (const [name, f, truth, units, points] of cases)
  t.test(`${name}: within ${units} units in the last place`, async (t) => {
    const results = values(f(fromArray(Float64Array.from(points), [points.length], exact)));
    const off = points.map((x, i) => unitsOff(results[i], truth(fixed(x))));
    const worst = Math.max(...off);
    t.comment(`${name}: ${worst} units at ${points[off.indexOf(worst)]}, of ${points.length}`);
    t.ok(worst <= units, `${worst} units at ${points[off.indexOf(worst)]}`);
  });

t.test("gelu where Φ is subnormal: within 20 of the smallest doubles", async (t) => {
  const points = spread(-39, -37.5, 100);
  const results = values(gelu(fromArray(Float64Array.from(points), [points.length], exact)));
  t.ok(points.every((x, i) => unitsOff(results[i], trueGelu(fixed(x))) <= 20));
});
