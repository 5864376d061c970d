import { randn } from "../tensor/create.ts";
import { isFloat } from "../tensor/dtype.ts";
import type { Attributes, FusedName } from "../tensor/kernels.ts";
import { Rng } from "../tensor/rng.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { applyFused, type Fused } from "./fused.ts";
import { grad } from "./grad.ts";
import { type Asserter, checkGrads } from "./gradcheck.ts";
import { variable } from "./graph.ts";

/**
 * Asserts that a fused function equals its definition in value and in gradient: its rule against the definition's
 * derivative on the device of the inputs, and both orders against differences where that device holds float64.
 *
 * @param tolerance largest accepted |difference| / max(1, |expected|) of any element
 */
export function checkFused<K extends FusedName>(
  t: Asserter,
  fused: Fused<K>,
  inputs: readonly Tensor[],
  attributes: Attributes<K>,
  { tolerance = inputs[0]!.dtype === "float64" ? 1e-11 : 2e-5, seed = 0 }: { tolerance?: number; seed?: number } = {},
): void {
  const rng = new Rng(`checkFused/${seed}`);
  const moving = fused.vjp === "none" ? [] : inputs.flatMap((x, i) => (isFloat(x.dtype) ? [i] : []));
  const run = (f: (xs: readonly Tensor[]) => Tensor, u?: Tensor) => {
    const xs = inputs.map((x, i) => (moving.includes(i) ? variable(x) : x));
    const y = f(xs);
    const seedOf = u ?? randn(y.shape, rng, { dtype: y.dtype, device: y.device });
    const grads = moving.length
      ? grad(
          y,
          moving.map((i) => xs[i]!),
          { seed: seedOf, allowUnused: true },
        )
      : [];
    return { results: [y, ...grads], u: seedOf };
  };
  const actual = run((xs) => applyFused(fused, xs, attributes));
  const expected = run((xs) => fused.definition(xs, attributes), actual.u);
  actual.results.forEach((result, i) => {
    const error = largestError(result, expected.results[i]!);
    t.ok(
      error <= tolerance,
      `${fused.name}: ${i === 0 ? "value" : `gradient of input ${moving[i - 1]}`} differs from the definition by ${error.toExponential(2)}`,
    );
  });
  if (moving.length && inputs[0]!.dtype === "float64")
    checkGrads(t, (...xs) => applyFused(fused, xs, attributes), inputs, { seed });
}

function largestError(actual: Tensor, expected: Tensor): number {
  const [x, y] = [actual.dataSync(), expected.dataSync()];
  if (x.length !== y.length) return Number.POSITIVE_INFINITY;
  let worst = 0;
  for (let i = 0; i < x.length; i++) {
    if (Object.is(x[i], y[i])) continue;
    const error = Math.abs(x[i]! - y[i]!) / Math.max(1, Math.abs(y[i]!));
    worst = error > worst || Number.isNaN(error) ? error : worst;
  }
  return Number.isNaN(worst) ? Number.POSITIVE_INFINITY : worst;
}
