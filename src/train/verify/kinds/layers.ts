import { z } from "zod";
import { grad } from "../../../autograd/grad.ts";
import { variable } from "../../../autograd/graph.ts";
import { setParameter } from "../../../nn/module.ts";
import { DataError } from "../../../tensor/errors.ts";
import type { Tensor } from "../../../tensor/tensor.ts";
import type { Claim, Claims } from "../comparison.ts";
import type { GoldenCase, UnderTest } from "../golden-case.ts";
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

/** Single layers: the output and the gradient with respect to every input, from a recorded upstream gradient. */
export function verifyLayers(golden: GoldenCase, underTest: UnderTest): Claims {
  const { ops } = golden.read(schema);
  return {
    claims: ops.flatMap((op) => claimsOf(golden, underTest, op)),
    inputs: ops.flatMap(({ tag, inputs }) => [...inputs, "gy", "target"].map((name) => `${tag}/${name}`)),
  };
}

function claimsOf(golden: GoldenCase, underTest: UnderTest, { tag, op, attrs }: Op): Claim[] {
  if (!Object.hasOwn(layers, op)) throw new DataError(`${golden.name}: ${tag}: unknown operation "${op}"`);
  const tolerance =
    underTest.dtype === "float64"
      ? golden.tolerance(["float64"], { atol: 1e-11, rtol: 1e-9 })
      : golden.tolerance(["float32 implementation", "float32"], { atol: 1e-5, rtol: 1e-4 });
  const floats = new Map<string, Tensor>();
  const y = layers[op]!(inputsOf(golden, underTest, tag, attrs, floats));
  const seed = golden.tensor(`${tag}/gy`, underTest);
  const grads = grad(y, [...floats.values()], { seed, retainGraph: true, allowUnused: true });
  const gradClaims = [...floats.keys()].map((name, i) => ({ name: `${tag}/g_${name}`, value: grads[i]!, tolerance }));
  return [{ name: `${tag}/y`, value: y, tolerance }, ...gradClaims.filter(({ name }) => golden.tensors.has(name))];
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
