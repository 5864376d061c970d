import * as z from "zod/mini";
import { grad } from "../../../autograd/grad.ts";
import { variable } from "../../../autograd/graph.ts";
import { setParameter } from "../../../nn/module.ts";
import { DataError } from "../../../tensor/errors.ts";
import type { Tensor } from "../../../tensor/tensor.ts";
import type { Claim, Claims } from "../comparison.ts";
import type { GoldenCase, Tolerance, UnderTest } from "../golden-case.ts";
import { functions } from "./layer-functions.ts";
import type { Layer, LayerInputs } from "./layer-inputs.ts";
import { modules } from "./layer-modules.ts";

const opSchema = z.object({
  tag: z.string(),
  op: z.string(),
  attrs: z.record(z.string(), z.union([z.number(), z.string()])),
  inputs: z.array(z.string()),
});
const schema = z.looseObject({ ops: z.array(opSchema) });
type Op = z.output<typeof opSchema>;

const layers: Readonly<Record<string, Layer>> = { ...functions, ...modules };

/** Where the effect of rounded inputs is computed. */
const precise: UnderTest = { device: "cpu", dtype: "float64" };

/**
 * Single layers: the output and the gradient with respect to every input, from a recorded upstream gradient. Some
 * inputs are beyond float32 (logits around 10,000 with differences of 1e-4): there, what their rounding alone changes
 * is allowed on top of the tolerance.
 */
export function verifyLayers(golden: GoldenCase, underTest: UnderTest): Claims {
  const { ops } = golden.read(schema);
  const rounded = underTest.dtype === "float32" ? golden.rounded() : null;
  const claims = ops.flatMap((op) => {
    const values = valuesOf(golden, underTest, op);
    const tolerance = toleranceOf(golden, underTest);
    if (!rounded) return [...values].map(([name, value]): Claim => ({ name, value, tolerance }));
    const [before, after] = [valuesOf(golden, precise, op), valuesOf(rounded, precise, op)];
    return [...values].map(([name, value]): Claim => {
      const [x, y] = [before.get(name)!.dataSync(), after.get(name)!.dataSync()];
      return { name, value, tolerance, slack: x.map((exact, i) => Math.abs(exact - y[i]!)) };
    });
  });
  return {
    claims,
    inputs: ops.flatMap(({ tag, inputs }) => [...inputs, "gy", "target"].map((name) => `${tag}/${name}`)),
  };
}

function toleranceOf(golden: GoldenCase, { dtype }: UnderTest): Tolerance {
  return dtype === "float64"
    ? golden.tolerance(["float64"], { atol: 1e-11, rtol: 1e-9 })
    : golden.tolerance(["float32 implementation", "float32"], { atol: 1e-5, rtol: 1e-4 });
}

/** The output of an operation and its gradients, by recorded name. */
function valuesOf(golden: GoldenCase, underTest: UnderTest, { tag, op, attrs }: Op): Map<string, Tensor> {
  if (!Object.hasOwn(layers, op)) throw new DataError(`${golden.name}: ${tag}: unknown operation "${op}"`);
  const floats = new Map<string, Tensor>();
  const y = layers[op]!(inputsOf(golden, underTest, tag, attrs, floats));
  const seed = golden.tensor(`${tag}/gy`, underTest);
  const grads = grad(y, [...floats.values()], { seed, retainGraph: true, allowUnused: true });
  const named = [...floats.keys()].map((name, i) => [`${tag}/g_${name}`, grads[i]!] as const);
  return new Map([[`${tag}/y`, y], ...named.filter(([name]) => golden.tensors.has(name))]);
}

/** @param floats filled with the tensors that gradients are asked for */
function inputsOf(
  golden: GoldenCase,
  underTest: UnderTest,
  tag: string,
  attributes: LayerInputs["attributes"],
  floats: Map<string, Tensor>,
): LayerInputs {
  return {
    underTest,
    attributes,
    has: (name) => golden.tensors.has(`${tag}/${name}`),
    shape: (name) => golden.entry(`${tag}/${name}`).shape,
    tensor(name) {
      const value = golden.tensor(`${tag}/${name}`, underTest);
      if (value.dtype === "int32") return value;
      const leaf = floats.get(name) ?? variable(value);
      floats.set(name, leaf);
      return leaf;
    },
    load(module, paths) {
      const parameters = module.namedParameters();
      for (const [name, path] of Object.entries(paths)) {
        const parameter = parameters.get(path)!;
        setParameter(parameter, golden.entry(`${tag}/${name}`));
        floats.set(name, parameter.value);
        parameters.delete(path);
      }
      if (parameters.size)
        throw new DataError(`${golden.name}: ${tag}: nothing for ${[...parameters.keys()].join(", ")}`);
      return module;
    },
  };
}
