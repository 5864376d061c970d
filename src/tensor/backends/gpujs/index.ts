import { registerBackend } from "../../backend.ts";
import { DeviceError } from "../../errors.ts";
import type { GpuBackend } from "./backend.ts";
import { checkMode, type GpuMode, gpuModes, synchronousModes } from "./modes.ts";

export type { GpuMode } from "./modes.ts";

/** Names of the device: `gpu`, the best mode that works, and `gpu:` with each mode. */
export const gpuDeviceNames: readonly string[] = ["gpu", ...gpuModes.map((mode) => `gpu:${mode}`)];

const loaded = new Map<GpuMode, GpuBackend>();

/**
 * Loads gpu.js and makes its device known, under `gpu:` and the mode; without a mode, under `gpu` as well. Nothing of it
 * is loaded before. Plain `gpu` is the first of webgl2, headlessgl, webasm and cpu that works here; webgpu answers later
 * than it is asked and has to be named.
 *
 * @param mode webgl2, webgpu, headlessgl, webasm or cpu
 * @returns the device's name, which says the mode
 * @throws {DeviceError} for a mode that there is not, or that does not work here
 */
export async function loadGpu(mode?: string): Promise<string> {
  if (mode !== undefined) return (await load(checkMode(mode), true))!.name;
  for (const candidate of synchronousModes) {
    const backend = await load(candidate, false);
    if (!backend) continue;
    registerBackend("gpu", () => backend);
    return backend.name;
  }
  throw new DeviceError("gpu: gpu.js computes in no mode here");
}

/** The device of a mode that works, else null, or an error where the mode was named. */
async function load(mode: GpuMode, isNamed: boolean): Promise<GpuBackend | null> {
  const known = loaded.get(mode);
  if (known) return known;
  const { openGpu } = await import("./open.ts");
  const backend = await openGpu(mode);
  if (backend) {
    loaded.set(mode, backend);
    registerBackend(backend.name, () => backend);
    return backend;
  }
  if (isNamed) throw new DeviceError(`gpu: mode ${mode} does not work here; ${hints[mode]}`);
  return null;
}

const hints: Readonly<Record<GpuMode, string>> = {
  webgl2: "it needs a browser whose WebGL has float textures",
  webgpu: "it needs an engine with navigator.gpu and an adapter",
  headlessgl: "it needs the package gl, built for this system, and a display",
  webasm: "it needs an engine with WebAssembly",
  cpu: "gpu.js is not sound",
};
