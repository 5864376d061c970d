import fc from "fast-check";
import t from "tap";
import { linearGeluSlopesJoint } from "../../src/autograd/functions/feed-forward.ts";
import { linearGradientsJoint } from "../../src/autograd/functions/fused-product.ts";
import { layerNormGradientsJoint } from "../../src/autograd/functions/layer-norm.ts";
import { withRecording } from "../../src/autograd/graph.ts";
import type { Joint } from "../../src/autograd/joint.ts";
import { getBackend } from "../../src/tensor/backend.ts";
import { fromArray } from "../../src/tensor/create.ts";
import { toTypedArray } from "../../src/tensor/dtype.ts";
import type { Attributes, JointName } from "../../src/tensor/kernels.ts";
import { sizeOf } from "../../src/tensor/shape.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { devices } from "./devices.ts";
import {
  difference,
  forAll,
  length,
  lengthOrNone,
  runOn,
  type Sample,
  sample,
  shape,
  type Tolerance,
} from "./harness.ts";

/** What each result may differ by from the definition on `cpu` in float64. */
const tolerances: { readonly [K in JointName]: Tolerance } = {
  linearGeluSlopes: { relative: 1e-5, absolute: 1e-4 },
  linearGradients: { relative: 1e-5, absolute: 1e-4 },
  layerNormGradients: { relative: 2e-5, absolute: 1e-4 },
};

/** The sample on `cpu`, float32 values as float64. */
function precise({ shape, values }: Sample): Tensor {
  return fromArray(toTypedArray(values, "float32"), shape, { device: "cpu", dtype: "float64" });
}

/** Checks all results of a kernel, and that it leaves its inputs as they are. */
function checkJoint<K extends JointName>(joint: Joint<K>, inputs: readonly Sample[], attributes: Attributes<K>): void {
  const tensors = inputs.map(precise);
  const expected = withRecording(false, () => joint.definition(tensors, attributes));
  // Memory that a kernel must fill holds anything before.
  const [out, ...others] = joint
    .infer(tensors, attributes)
    .map(({ shape }): Sample => ({ shape, dtype: "float32", values: new Array(sizeOf(shape)).fill(Number.NaN) }));
  const call = { kernel: joint.name, inputs: [...inputs, ...others], out: out!, attributes };
  const [first, ...operands] = runOn("wasm", call);
  const text = `${joint.name}(${inputs.map(({ shape }) => `[${shape}]`)}) on wasm`;
  for (const [n, result] of [first!, ...operands.slice(inputs.length)].entries()) {
    const found = difference(result, expected[n]!.dataSync(), tolerances[joint.name]);
    if (found !== null) throw new Error(`${text}, result ${n}: ${found}`);
  }
  for (const [n, input] of inputs.entries()) {
    const found = difference(operands[n]!, toTypedArray(input.values, "float32"), {});
    if (found !== null) throw new Error(`${text} changes input ${n}: ${found}`);
  }
}

t.test("wasm alone has these kernels", async (t) => {
  for (const kernel of Object.keys(tolerances) as JointName[])
    t.same(
      devices.filter((device) => getBackend(device).has(kernel)),
      ["wasm"],
    );
});

t.test("linearGeluSlopes", async () => {
  const operands = fc
    .tuple(shape(0, 2), length, length)
    .chain(([leading, n, k]) => fc.tuple(sample([...leading, k]), sample([n, k]), sample([n])));
  forAll(operands, (inputs) => checkJoint(linearGeluSlopesJoint, inputs, {}));
  // Several tiles, and several blocks of the inner dimension.
  for (const [m, n, k] of [
    [131, 77, 1300],
    [300, 600, 64],
  ] as const)
    forAll(
      fc.tuple(sample([m, k]), sample([n, k]), sample([n])),
      (inputs) => checkJoint(linearGeluSlopesJoint, inputs, {}),
      2,
    );
});

t.test("linearGradients", async () => {
  const operands = fc
    .tuple(lengthOrNone, length, lengthOrNone, fc.boolean())
    .chain(([n, out, k, hasAddend]) =>
      fc.tuple(sample([n, out]), sample([n, k]), ...(hasAddend ? [sample([out, k])] : [])),
    );
  forAll(operands, (inputs) => checkJoint(linearGradientsJoint, inputs, {}));
  // Parts of the inner dimension that are added up, several tiles of columns, and several blocks.
  for (const [n, out, k] of [
    [1100, 20, 30],
    [1100, 3, 70],
    [1100, 300, 260],
    [70, 9, 1200],
  ] as const)
    forAll(
      fc.tuple(sample([n, out]), sample([n, k]), sample([out, k])),
      (inputs) => checkJoint(linearGradientsJoint, inputs, {}),
      2,
    );
});

t.test("layerNormGradients", async () => {
  // Rows of one cell or of equal cells have no variance: what is compared there is rounding alone.
  const varied = (of: readonly number[]) =>
    sample(of).map((x) => ({ ...x, values: x.values.map((value, i) => value + Math.sin(7 * i)) }));
  const operands = fc
    .tuple(shape(0, 2), fc.constantFrom(4, 5, 7, 16, 33), fc.boolean())
    .chain(([leading, d, hasAddend]) => {
      const of = [...leading, d];
      return fc.tuple(varied(of), sample([d]), sample(of), ...(hasAddend ? [sample(of)] : []));
    });
  forAll(operands, (inputs) => checkJoint(layerNormGradientsJoint, inputs, { eps: 1e-3 }));
  for (const [n, d] of [
    [300, 9],
    [70, 200],
  ] as const)
    forAll(
      fc.tuple(varied([n, d]), sample([d]), sample([n, d]), sample([n, d])),
      (inputs) => checkJoint(layerNormGradientsJoint, inputs, { eps: 1e-3 }),
      3,
    );
});
