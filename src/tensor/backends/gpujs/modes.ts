import type { GPU } from "gpu.js";
import { DeviceError } from "../../errors.ts";

/**
 * Where gpu.js can compute, best first; see its README. `cpu` computes in float64 and rounds each result, `webasm` in float32; in the
 * others functions are as exact as the driver's: with SwiftShader tanh, sin and log1p are off by up to 2e-4 of their value.
 */
export const gpuModes = ["webgpu", "webgl2", "headlessgl", "webasm", "cpu"] as const;
export type GpuMode = (typeof gpuModes)[number];

/** @throws {DeviceError} for a name that is no mode */
export function checkMode(mode: string): GpuMode {
  const known = gpuModes.find((name) => name === mode);
  if (!known) throw new DeviceError(`gpu: no mode "${mode}"; there are ${gpuModes.join(", ")}`);
  return known;
}

/** A GPU of gpu.js in that mode, which has computed something; null where the mode does not work. */
export async function tryMode(Gpu: typeof GPU, mode: GpuMode): Promise<GPU | null> {
  if (!(await isSupported(Gpu, mode))) return null;
  const gpu = new Gpu({ mode });
  try {
    const kernel = gpu.createKernel("function (x) { return x[this.thread.x] + 1.5; }", {
      output: [3],
      precision: "single",
      asyncMode: mode === "webgpu",
    });
    const [a, b, c] = (await kernel(Float32Array.of(1, -2, 0.25))) as Float32Array;
    return a === 2.5 && b === -0.5 && c === 1.75 ? gpu : null;
  } catch {
    return null; // e.g. a WebGL without float textures
  }
}

async function isSupported(Gpu: typeof GPU, mode: GpuMode): Promise<boolean> {
  switch (mode) {
    case "webgl2":
      return Gpu.isWebGL2Supported;
    case "webgpu":
      return Gpu.isWebGPUSupported && (await Gpu.isWebGPUAvailable());
    case "headlessgl":
      return Gpu.isHeadlessGLSupported;
    case "webasm":
      return Gpu.isWebAssemblySupported;
    case "cpu":
      return true;
  }
}
