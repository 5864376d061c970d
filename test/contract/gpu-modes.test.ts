import t from "tap";
import { loadGpu } from "../../src/tensor/devices.ts";
import { compareKernels } from "../browser/kernels/compare.ts";
import { kernelCases } from "./kernels/cases.ts";

/**
 * Modes that need more than Node and npm: the package `gl` built and a display; the package `webgpu` and a driver. Where
 * a WebGPU is named, it has to work.
 */
for (const mode of ["headlessgl", "webgpu"]) {
  const problem = await loadGpu(mode).then(
    () => null,
    (error: Error) => error.message,
  );
  const skip = mode === "webgpu" && process.env.VILTGRAD_WEBGPU ? false : (problem ?? false);
  t.test(`gpu:${mode}: every kernel is that of cpu`, { skip }, async (t) => {
    const results = await compareKernels(mode);
    t.same(new Set(results.map(({ kernel }) => kernel)), new Set(Object.keys(kernelCases)), "all of them");
    for (const { kernel, calls, worst, problem } of results)
      t.equal(problem, null, `${kernel}: ${calls} calls, at most ${worst.toPrecision(2)} of the tolerance`);
    t.same(
      results.filter(({ fallbacks }) => fallbacks > 0),
      [],
      "nothing is left to cpu",
    );
  });
}
