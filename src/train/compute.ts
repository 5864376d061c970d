import { noGrad } from "../autograd/graph.ts";
import type { TypedArray } from "../tensor/dtype.ts";
import type { Tensor } from "../tensor/tensor.ts";

/** Runs a computation without a graph, waits for the tensors it names, and gives all memory back. */
export async function compute<K extends string>(body: () => Record<K, Tensor>): Promise<Record<K, TypedArray>> {
  const tensors = noGrad(body);
  const values = {} as Record<K, TypedArray>;
  for (const [name, tensor] of Object.entries<Tensor>(tensors)) {
    values[name as K] = await tensor.data();
    tensor.release("compute(), after reading it");
  }
  return values;
}
