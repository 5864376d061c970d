import fc from "fast-check";
import t from "tap";
import { erf, sigmoid, tanh } from "../../src/tensor/backends/cpu/scalar.ts";
import { BITS, ONE, PI, spread, trueErf, trueExp, trueSigmoid, trueTanh, worst } from "./fixed-point.ts";

t.test("the reference agrees with known digits", async (t) => {
  const digits = (x: bigint): string => ((x * 10n ** 40n) >> BITS).toString();
  t.equal(digits(PI), "31415926535897932384626433832795028841971");
  t.equal(digits(trueExp(ONE)), "27182818284590452353602874713526624977572");
  t.ok(digits(trueErf(ONE / 2n)).startsWith("52049987781304653768274665389196"), "erf(1/2)");
});

t.test("erf is within 1.5 units in the last place", async (t) => {
  const named = [1e-300, 2 ** -1022, 1e-20, 1e-8, 0.125, 0.49999999999999994, 0.5, 0.625, 1, 3, 5.875, 5.9, 5.999];
  const around = [0.5, 1, 3, 5.9].flatMap((x) => spread(x - 0.01, x + 0.01, 20));
  const points = [...named.slice(2), ...around, ...spread(0, 0.5, 200), ...spread(0.5, 2, 300), ...spread(2, 6, 200)];
  t.ok(worst(erf, trueErf, points) <= 1.5);
  for (const x of named.slice(0, 2)) t.ok(Math.abs(erf(x) / x - 1.1283791670955126) < 1e-15, `erf(${x}) = 2x/√π`);
  t.equal(erf(6), 1);
  t.equal(erf(1e300), 1);
});

t.test("tanh is within 1.5 units, sigmoid within 2", async (t) => {
  t.ok(worst(tanh, trueTanh, [1e-20, 1e-5, ...spread(0, 1, 400), ...spread(1, 3, 200), ...spread(3, 20, 60)]) <= 1.5);
  t.ok(worst(sigmoid, trueSigmoid, [...spread(-30, -3, 200), ...spread(-3, 3, 400), ...spread(3, 30, 100)]) <= 2);
  t.equal(tanh(5e-324), 5e-324);
  t.equal(sigmoid(-745), Math.exp(-745));
});

t.test("erf and tanh are odd and increase; sigmoid(x) + sigmoid(−x) = 1", async () =>
  fc.assert(
    fc.property(fc.double({ noNaN: true }), fc.double({ min: 0, max: 1, noNaN: true }), (x, step) => {
      for (const f of [erf, tanh])
        if (!Object.is(f(-x), -f(x)) || f(x + step) - f(x) < -3e-16) throw new Error(`${f.name}(${x}), ${step}`);
      if (Math.abs(sigmoid(x) + sigmoid(-x) - 1) > 3e-16) throw new Error(`sigmoid(${x})`);
    }),
  ),
);
