import fc from "fast-check";
import t from "tap";
import { attentionBackwardFused, attentionFused } from "../../src/autograd/functions/attention.ts";
import { crossEntropyBackwardFused, crossEntropyFused } from "../../src/autograd/functions/cross-entropy.ts";
import { matmulAddFused, matmulMulFused } from "../../src/autograd/functions/fused-product.ts";
import { geluBackwardFused, geluFused } from "../../src/autograd/functions/gelu.ts";
import { ipotFused } from "../../src/autograd/functions/ipot.ts";
import {
  layerNormBackwardFused,
  layerNormBackwardWeightFused,
  layerNormFused,
} from "../../src/autograd/functions/layer-norm.ts";
import { linearFused } from "../../src/autograd/functions/linear.ts";
import { linearGeluFused } from "../../src/autograd/functions/linear-gelu.ts";
import { logSoftmaxFused } from "../../src/autograd/functions/log-softmax.ts";
import { softmaxBackwardFused, softmaxFused } from "../../src/autograd/functions/softmax.ts";
import { sumOfSquaresFused } from "../../src/autograd/functions/sum-of-squares.ts";
import type { Fused } from "../../src/autograd/fused.ts";
import { getBackend } from "../../src/tensor/backend.ts";
import { fromArray } from "../../src/tensor/create.ts";
import { toTypedArray } from "../../src/tensor/dtype.ts";
import type { Attributes, FusedName } from "../../src/tensor/kernels.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { devices } from "./devices.ts";
import { check, forAll, length, runOn, type Sample, sample, shape, special, type Tolerance } from "./harness.ts";

/** What a kernel may differ by from its definition on `cpu` in float64. */
const tolerances: { readonly [K in FusedName]: Tolerance } = {
  linear: { relative: 1e-5, absolute: 1e-4 },
  linearGelu: { relative: 1e-5, absolute: 1e-4 },
  matmulAdd: { relative: 1e-5, absolute: 1e-4 },
  matmulMul: { relative: 1e-5, absolute: 1e-4 },
  // Φ is right to 2e-7 and is multiplied by x.
  gelu: { relative: 1e-6, absolute: 3e-6 },
  geluBackward: { relative: 1e-6, absolute: 1e-6 },
  // x − max is rounded: half a unit in the last place of 60 is 2e-6.
  softmax: { relative: 4e-6, absolute: 1e-38 },
  softmaxBackward: { relative: 1e-6, absolute: 1e-6 },
  logSoftmax: { relative: 1e-6, absolute: 1e-6 },
  layerNorm: { relative: 1e-5, absolute: 1e-5 },
  layerNormBackward: { relative: 2e-5, absolute: 2e-5 },
  layerNormBackwardWeight: { relative: 1e-5, absolute: 1e-4 },
  attention: { relative: 1e-5, absolute: 2e-6 },
  attentionBackward: { relative: 1e-5, absolute: 2e-5 },
  crossEntropy: { relative: 1e-6, absolute: 1e-6 },
  crossEntropyBackward: { relative: 4e-6, absolute: 1e-6 },
  ipot: { relative: 2e-4, absolute: 1e-6 },
  sumOfSquares: { relative: 2e-6, absolute: 1e-30 },
};

/** The sample on `cpu`, float32 values as float64. */
function precise({ shape, dtype, values }: Sample): Tensor {
  const rounded = toTypedArray(values, dtype);
  return fromArray(rounded, shape, { device: "cpu", dtype: dtype === "int32" ? "int32" : "float64" });
}

/** Checks a kernel against its definition. */
function checkFused<K extends FusedName>(
  device: string,
  fused: Fused<K>,
  inputs: readonly Sample[],
  attributes: Attributes<K>,
): void {
  const tensors = inputs.map(precise);
  const { shape } = fused.infer(tensors, attributes);
  const expected = fused.definition(tensors, attributes).dataSync();
  const call = { kernel: fused.name, inputs, out: { shape, dtype: "float32" as const }, attributes };
  check(device, call, tolerances[fused.name], expected);
}

const spread = fc.double({ min: -3, max: 3, noNaN: true });
const wide = fc.double({ min: -30, max: 30, noNaN: true });
const rows = shape(1, 3, length);
const mask = (of: readonly number[]) =>
  fc
    .array(fc.constantFrom(0, 1, 1, 1), {
      minLength: of.reduce((a, b) => a * b, 1),
      maxLength: of.reduce((a, b) => a * b, 1),
    })
    .map((values): Sample => ({ shape: of, dtype: "int32", values }));

t.test("every device has all of these kernels, but wasm computes one gradient with two others", async (t) => {
  for (const device of devices) {
    const lacking = Object.keys(tolerances).filter((kernel) => !getBackend(device).has(kernel as FusedName));
    t.same(lacking, device === "wasm" ? ["layerNormBackwardWeight"] : [], device);
  }
});

for (const device of devices) {
  const test = (kernel: FusedName, body: () => void) => {
    if (getBackend(device).has(kernel)) t.test(`${device}: ${kernel}`, async () => body());
  };

  test("linear", () => {
    const drawn = fc.tuple(shape(0, 2, length), length, length, fc.boolean(), fc.boolean());
    const operands = drawn.chain(([leading, n, k, hasBias, hasResidual]) =>
      fc.tuple(
        fc.tuple(
          sample([...leading, k]),
          sample([n, k]),
          ...(hasBias ? [sample([n])] : []),
          ...(hasResidual ? [sample([...leading, n])] : []),
        ),
        fc.constant({ hasBias, hasResidual }),
      ),
    );
    forAll(operands, ([inputs, attributes]) => checkFused(device, linearFused, inputs, attributes));
    // Several tiles and several blocks of the inner dimension, with bias and residual.
    forAll(
      fc.tuple(sample([131, 1300]), sample([77, 1300]), sample([77]), sample([131, 77])),
      (inputs) => checkFused(device, linearFused, inputs, { hasBias: true, hasResidual: true }),
      2,
    );
  });

  test("linearGelu", () => {
    const drawn = fc.tuple(shape(0, 2, length), length, length, fc.boolean());
    const operands = drawn.chain(([leading, n, k, hasBias]) =>
      fc.tuple(
        fc.tuple(sample([...leading, k]), sample([n, k]), ...(hasBias ? [sample([n])] : [])),
        fc.constant({ hasBias }),
      ),
    );
    forAll(operands, ([inputs, attributes]) => checkFused(device, linearGeluFused, inputs, attributes));
    forAll(
      fc.tuple(sample([131, 1300]), sample([77, 1300])),
      (inputs) => checkFused(device, linearGeluFused, inputs, { hasBias: false }),
      2,
    );
  });

  test("matmulAdd", () => {
    const drawn = fc.tuple(length, length, length, fc.boolean(), fc.boolean());
    const operands = drawn.chain(([m, n, k, transposeA, transposeB]) =>
      fc.tuple(
        fc.tuple(sample(transposeA ? [k, m] : [m, k]), sample(transposeB ? [n, k] : [k, n]), sample([m, n])),
        fc.constant({ transposeA, transposeB }),
      ),
    );
    forAll(operands, ([inputs, attributes]) => checkFused(device, matmulAddFused, inputs, attributes));
    // Results whose parts of the inner dimension are added up first, and a product of several blocks of it.
    for (const [m, n] of [
      [20, 30],
      [7, 3],
      [3, 1],
      [300, 260],
    ] as const)
      forAll(
        fc.tuple(sample([1100, m]), sample([1100, n]), sample([m, n])),
        (inputs) => checkFused(device, matmulAddFused, inputs, { transposeA: true, transposeB: false }),
        2,
      );
  });

  test("matmulMul", () => {
    const drawn = fc.tuple(length, length, length, fc.boolean(), fc.boolean());
    const operands = drawn.chain(([m, n, k, transposeA, transposeB]) =>
      fc.tuple(
        fc.tuple(sample(transposeA ? [k, m] : [m, k]), sample(transposeB ? [n, k] : [k, n]), sample([m, n])),
        fc.constant({ transposeA, transposeB }),
      ),
    );
    forAll(operands, ([inputs, attributes]) => checkFused(device, matmulMulFused, inputs, attributes));
    // Several tiles, and several blocks of an inner dimension that is otherwise cut into parts.
    for (const [m, n, k] of [
      [300, 600, 64],
      [131, 77, 1300],
    ] as const)
      forAll(
        fc.tuple(sample([m, k]), sample([k, n]), sample([m, n])),
        (inputs) => checkFused(device, matmulMulFused, inputs, { transposeA: false, transposeB: false }),
        2,
      );
  });

  test("gelu", () => {
    forAll(
      shape().chain((of) => sample(of, wide)),
      (x) => checkFused(device, geluFused, [x], {}),
    );
    const tails: Sample = { shape: [8], dtype: "float32", values: [-1e30, -8, -5, -0, 0, 5, Number.NaN, Infinity] };
    checkFused(device, geluFused, [tails], {}); // Φ is exactly 0 there
  });

  test("geluBackward", () => {
    forAll(
      shape().chain((of) => fc.tuple(sample(of, wide), sample(of))),
      (inputs) => checkFused(device, geluBackwardFused, inputs, {}),
    );
    const tails: Sample = { shape: [6], dtype: "float32", values: [-100, -20, Number.NaN, 20, 100, 0] };
    const large: Sample = { shape: [6], dtype: "float32", values: [1e30, -1e30, 1, 1e30, -1e30, 1e30] };
    checkFused(device, geluBackwardFused, [tails, large], {}); // exactly 0 and 1 where they are
  });

  test("softmax", () => {
    forAll(
      rows.chain((of) => sample(of, wide)),
      (x) => checkFused(device, softmaxFused, [x], {}),
    );
    const edges: Sample = {
      shape: [4, 5],
      dtype: "float32",
      values: [1, 2, -Infinity, 3, 4, 1e38, 0, 0, 0, -1e38, 2, 2, 2, 2, 2, Number.NaN, 0, 0, 0, 0],
    };
    checkFused(device, softmaxFused, [edges], {});
  });

  test("softmaxBackward", () =>
    forAll(
      rows.chain((of) => fc.tuple(sample(of, fc.double({ min: 0, max: 1, noNaN: true })), sample(of))),
      (inputs) => checkFused(device, softmaxBackwardFused, inputs, {}),
    ));

  test("logSoftmax", () =>
    forAll(
      rows.chain((of) => sample(of, wide)),
      (x) => checkFused(device, logSoftmaxFused, [x], {}),
    ));

  // Rows of one cell or of equal cells have no variance: what is compared there is rounding alone.
  const varied = shape(0, 2, length).chain((leading) => fc.constantFrom(4, 5, 7, 16, 33).map((d) => [...leading, d]));
  const spreadRows = (of: readonly number[]): fc.Arbitrary<Sample> =>
    sample(of, spread).map((x) => ({ ...x, values: x.values.map((value, i) => value + Math.sin(7 * i)) }));
  const eps = 1e-3;

  test("layerNorm", () =>
    forAll(
      varied.chain((of) => fc.tuple(spreadRows(of), sample(of.slice(-1)), sample(of.slice(-1)))),
      (inputs) => checkFused(device, layerNormFused, inputs, { eps }),
    ));

  test("layerNormBackward", () => {
    forAll(
      varied.chain((of) => fc.tuple(spreadRows(of), sample(of.slice(-1)), sample(of))),
      (inputs) => checkFused(device, layerNormBackwardFused, inputs, { eps }),
    );
    forAll(
      varied.chain((of) => fc.tuple(spreadRows(of), sample(of.slice(-1)), sample(of), sample(of))),
      (inputs) => checkFused(device, layerNormBackwardFused, inputs, { eps }),
    );
  });

  test("layerNormBackwardWeight", () => {
    forAll(
      varied.chain((of) => fc.tuple(spreadRows(of), sample(of))),
      (inputs) => checkFused(device, layerNormBackwardWeightFused, inputs, { eps }),
    );
    forAll(
      fc.tuple(spreadRows([300, 9]), sample([300, 9])),
      (inputs) => checkFused(device, layerNormBackwardWeightFused, inputs, { eps }),
      3,
    );
  });

  const heads = fc
    .tuple(
      fc.constantFrom(1, 2, 3),
      fc.constantFrom(1, 2, 5, 6, 8, 13, 30),
      fc.constantFrom(1, 2, 4),
      fc.constantFrom(1, 3, 8, 16),
    )
    .filter(([B, N, h, dh]) => B * N * h * dh < 3000);
  const packed = heads
    .chain((sizes) =>
      fc.tuple(fc.constant(sizes), fc.oneof(fc.constant(sizes[1]), fc.integer({ min: 1, max: sizes[1] }))),
    )
    .chain(([[B, N, numHeads, dh], queries]) =>
      fc.tuple(
        sample([B, N, 3 * numHeads * dh], spread),
        sample([B, queries, numHeads * dh], spread),
        mask([B, N]),
        fc.record({ numHeads: fc.constant(numHeads), hasMask: fc.boolean(), queries: fc.constant(queries) }),
      ),
    );

  /** So many samples that a tile is one of them, not one of its heads. */
  const many = fc.tuple(
    ...[sample([40, 9, 24], spread), sample([40, 5, 8], spread), mask([40, 9])],
    fc.constant({ numHeads: 2, hasMask: true, queries: 5 }),
  );

  test("attention", () => {
    forAll(packed, ([qkv, , which, attributes]) =>
      checkFused(device, attentionFused, attributes.hasMask ? [qkv, which] : [qkv], attributes),
    );
    forAll(
      fc.tuple(sample([1, 310, 24], spread), mask([1, 310])),
      (inputs) => checkFused(device, attentionFused, inputs, { numHeads: 1, hasMask: true, queries: 310 }),
      1,
    );
    forAll(many, ([qkv, , which, attributes]) => checkFused(device, attentionFused, [qkv, which], attributes), 2);
    const none: Sample = { shape: [1, 3], dtype: "int32", values: [0, 0, 0] };
    forAll(sample([1, 3, 6], special), (qkv) => {
      const out = runOn(device, {
        kernel: "attention",
        inputs: [qkv, none],
        out: { shape: [1, 3, 2], dtype: "float32" },
        attributes: { numHeads: 1, hasMask: true, queries: 3 },
      })[0]!;
      // With a number in every cell, a query without any key gets 0.
      if (qkv.values.every((value) => Number.isFinite(Math.fround(value))) && out.some((value) => value !== 0))
        throw new Error(`attention without keys: ${out}`);
    });
  });

  test("attentionBackward", () => {
    for (const [drawn, runs] of [
      [packed, 60],
      [many, 2],
    ] as const)
      forAll(
        drawn,
        ([qkv, grad, which, attributes]) => {
          const { hasMask } = attributes;
          const out = attentionFused.definition([precise(qkv), ...(hasMask ? [precise(which)] : [])], attributes);
          const result: Sample = { shape: out.shape, dtype: "float32", values: [...out.dataSync()] };
          checkFused(device, attentionBackwardFused, [qkv, result, grad, ...(hasMask ? [which] : [])], attributes);
        },
        runs,
      );
  });

  const labelled = fc.tuple(length, length).chain(([n, V]) =>
    fc.tuple(
      sample([n, V], wide),
      fc
        .array(fc.oneof(fc.constant(-100), fc.nat(V - 1)), { minLength: n, maxLength: n })
        .map((values): Sample => ({ shape: [n], dtype: "int32", values })),
      sample([]),
    ),
  );

  test("crossEntropy", () => {
    forAll(labelled, ([logits, labels]) => checkFused(device, crossEntropyFused, [logits, labels], {}));
    const ignored: Sample = { shape: [2], dtype: "int32", values: [-100, -1] };
    forAll(sample([2, 3]), (logits) => checkFused(device, crossEntropyFused, [logits, ignored], {}), 1);
  });

  test("crossEntropyBackward", () =>
    forAll(labelled, (inputs) => checkFused(device, crossEntropyBackwardFused, inputs, {})));

  test("sumOfSquares", () => {
    const several = fc.array(
      shape(0, 3, fc.constantFrom(0, 1, 2, 5, 33)).chain((of) => sample(of)),
      { minLength: 1, maxLength: 5 },
    );
    forAll(several, (tensors) => checkFused(device, sumOfSquaresFused, tensors, {}));
    const long = sample([9000], fc.constantFrom(-1, 0.5, 2));
    forAll(fc.tuple(long, sample([3]), long), (tensors) => checkFused(device, sumOfSquaresFused, tensors, {}), 2);
  });

  test("ipot", () => {
    const drawn = fc
      .tuple(fc.constantFrom(1, 2, 3), length, length)
      .chain(([B, M, N]) =>
        fc.tuple(sample([B, M, N], fc.double({ min: 0, max: 2, noNaN: true })), mask([B, M]), mask([B, N])),
      );
    forAll(drawn, (inputs) => checkFused(device, ipotFused, inputs, { beta: 0.5, iterations: 20 }));
    const none: Sample = { shape: [1, 2], dtype: "int32", values: [0, 0] };
    const all: Sample = { shape: [1, 3], dtype: "int32", values: [1, 1, 1] };
    forAll(
      sample([1, 2, 3]),
      (cost) => checkFused(device, ipotFused, [cost, none, all], { beta: 0.5, iterations: 50 }),
      3,
    );
  });
}
