import { allocateArray, type DType, toTypedArray } from "../../dtype.ts";
import type { Attributes, PrimitiveName } from "../../kernels.ts";
import { sizeOf } from "../../shape.ts";
import type { GpuBackend } from "./backend.ts";
import { answerOfCpu } from "./fall-back.ts";

/** Drivers differ in how they round; what is further off than this part of 1 + |x| is wrong. */
const TOLERANCE = 1e-3;

type Shape = readonly number[];
interface Trial<K extends PrimitiveName> {
  readonly kernel: K;
  readonly inputs: readonly (readonly [Shape, DType])[];
  readonly out: Shape;
  readonly attributes: Attributes<K>;
}

/** What all other kernels are made of: arithmetic, functions, loops, index arithmetic, branches, 24-bit integers. */
const trials: readonly { readonly [K in PrimitiveName]: Trial<K> }[PrimitiveName][] = [
  trial("add", [[7, 5], [5]], [7, 5], {}),
  trial(
    "mul",
    [
      [7, 5],
      [7, 1],
    ],
    [7, 5],
    {},
  ),
  trial("div", [[35], []], [35], {}),
  trial("exp", [[35]], [35], {}),
  trial("tanh", [[35]], [35], {}),
  trial("normalCdf", [[35]], [35], {}),
  trial(
    "matmul",
    [
      [2, 9, 3],
      [9, 4],
    ],
    [2, 3, 4],
    { transposeA: true, transposeB: false },
  ),
  trial("sum", [[3, 300, 2]], [3, 2], { axes: [1] }),
  trial("max", [[4, 6]], [4], { axes: [1] }),
  trial("broadcastTo", [[220]], [3, 220], {}), // 220 / 220 is no 1 with every driver
  trial("permute", [[3, 4, 5]], [5, 3, 4], { axes: [2, 0, 1] }),
  trial("slice", [[6, 7]], [2, 3], { starts: [5, 1], steps: [-3, 2] }),
  trial(
    "concat",
    [
      [2, 3],
      [2, 4],
    ],
    [2, 7],
    { axis: 1 },
  ),
  {
    kernel: "gather",
    inputs: [
      [[5, 3], "float32"],
      [[4], "int32"],
    ],
    out: [4, 3],
    attributes: {},
  },
  {
    kernel: "scatterAdd",
    inputs: [
      [[4, 3], "float32"],
      [[4], "int32"],
    ],
    out: [5, 3],
    attributes: {},
  },
  trial("dropout", [[200]], [200], { probability: 0.5, seed: 0x9abcdef1 }),
];

function trial<K extends PrimitiveName>(kernel: K, shapes: readonly Shape[], out: Shape, attributes: Attributes<K>) {
  return { kernel, inputs: shapes.map((shape) => [shape, "float32"] as const), out, attributes };
}

/** Computes with a dozen kernels what `cpu` computes. @returns the first thing that is wrong, or null */
export async function findWrongKernel(backend: GpuBackend): Promise<string | null> {
  for (const each of trials) {
    const wrong = await compare(backend, each as Trial<PrimitiveName>);
    if (wrong) return `${each.kernel} ${wrong}`;
  }
  return null;
}

async function compare<K extends PrimitiveName>(backend: GpuBackend, each: Trial<K>): Promise<string | null> {
  const inputs = each.inputs.map(([shape, dtype], n) => ({ shape, dtype, values: samples(sizeOf(shape), dtype, n) }));
  const out = { shape: each.out, dtype: "float32" as const };
  const operands = inputs.map(({ shape, dtype, values }) => ({ shape, dtype, storage: backend.upload(values, dtype) }));
  const storage = backend.allocate(out.dtype, sizeOf(out.shape));
  backend.run(each.kernel, operands, { ...out, storage }, each.attributes);
  const actual = await backend.read(storage);
  for (const used of [storage, ...operands.map((operand) => operand.storage)]) backend.release(used);
  const call = { device: backend.name, kernel: each.kernel, inputs, out, attributes: each.attributes };
  const [expected] = answerOfCpu(
    call,
    inputs.map(({ values }) => Float32Array.from(values)),
    false,
  );
  const wrong = expected!.findIndex((e, i) => !(Math.abs(actual[i]! - e) <= TOLERANCE * (1 + Math.abs(e))));
  return wrong < 0 ? null : `gives ${actual[wrong]} in cell ${wrong}, not ${expected![wrong]}`;
}

/** Numbers without a pattern from −2 to 2 but 0; indices from 0 to 4. */
function samples(count: number, dtype: DType, n: number) {
  const values = allocateArray("float32", count).map((_, i) => ((i * 37 + n * 11 + 5) % 29) / 7.25 - 1.99);
  return toTypedArray(dtype === "int32" ? values.map((value) => Math.floor(value + 2)) : values, dtype);
}
