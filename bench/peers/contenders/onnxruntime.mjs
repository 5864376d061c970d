// onnxruntime-node on its CPU provider, with all of its graph optimisations. It has no gradients.
import ort from "onnxruntime-node";
import { kindOf } from "../../harness/cannot.mjs";
import { split } from "../data.mjs";
import { onnxModel } from "./onnx-graph.mjs";

export const packageName = "onnxruntime-node";

export async function prepare(work, data, { threads }) {
  const answer = kindOf({ matmul: "out", inference: "hidden" }, work, "runs models, has no gradients");
  const options = { executionProviders: ["cpu"], intraOpNumThreads: threads, interOpNumThreads: 1 };
  const session = await ort.InferenceSession.create(onnxModel(work, data), {
    ...options,
    graphOptimizationLevel: "all",
  });
  const feeds = Object.fromEntries(
    [...split(data).inputs].map(([name, { shape, data }]) => [name, new ort.Tensor("float32", data, shape)]),
  );
  return {
    device: "native",
    async answers() {
      const { out } = await session.run(feeds);
      return new Map([[answer, { shape: [...out.dims], data: Float32Array.from(out.data) }]]);
    },
    run: () => session.run(feeds),
  };
}
