import { getBackend, registerBackend } from "../../backend.ts";
import { DeviceError } from "../../errors.ts";
import type { GpuBackend } from "./backend.ts";
import type { GpuCounters } from "./counters.ts";
import { checkMode, type GpuMode, gpuModes } from "./modes.ts";
import { provideWebGpu } from "./node-webgpu.ts";

export type { GpuCounters } from "./counters.ts";
export type { GpuMode } from "./modes.ts";

/** Names of the device: `gpu`, the best mode that works, and `gpu:` with each mode. */
export const gpuDeviceNames: readonly string[] = ["gpu", ...gpuModes.map((mode) => `gpu:${mode}`)];

const loaded = new Map<GpuMode, GpuBackend>();
/** Those that are being loaded: asked for again meanwhile, they are the same. */
const opening = new Map<GpuMode, Promise<GpuBackend | null>>();

/**
 * Loads gpu.js and makes its device known, under `gpu:` and the mode; without a mode, under `gpu` as well. Nothing of it
 * is loaded before. Plain `gpu` is the first of webgpu, webgl2, headlessgl, webasm and cpu that works here and passes a
 * test of a dozen kernels; in Node webgpu has to be named. It answers later than it is asked: `await x.data()`, there is
 * no `dataSync()`.
 *
 * After a GPU was taken away (the driver was reset, a laptop slept), loading it again opens a new one; what was on the
 * old one is gone.
 *
 * @param mode webgpu, webgl2, headlessgl, webasm or cpu
 * @returns the device's name, which says the mode
 * @throws {DeviceError} for a mode that there is not, that does not work here, or that computes wrongly
 */
export async function loadGpu(mode?: string): Promise<string> {
  if (mode !== undefined) {
    const known = checkMode(mode);
    if (known === "webgpu") await provideWebGpu();
    const backend = await load(known);
    if (!backend) throw new DeviceError(`gpu: mode ${known} does not work here; ${hints[known]}`);
    return backend.name;
  }
  for (const candidate of gpuModes) {
    const backend = await load(candidate).catch(skipped);
    if (!backend) continue;
    registerBackend("gpu", () => backend);
    return backend.name;
  }
  throw new DeviceError("gpu: gpu.js computes in no mode here");
}

/** What a loaded device of gpu.js did; see `GpuCounters`. @throws {DeviceError} for another device */
export function gpuCounters(device = "gpu"): GpuCounters {
  return gpuBackend(device).counters;
}

/** Sets the counters of a loaded device of gpu.js back to 0. @throws {DeviceError} for another device */
export function resetGpuCounters(device = "gpu"): void {
  gpuBackend(device).resetCounters();
}

function gpuBackend(device: string): GpuBackend {
  const backend = getBackend(device);
  if ("resetCounters" in backend) return backend as GpuBackend;
  throw new DeviceError(`gpuCounters: device ${device} is none of gpu.js`);
}

/** A mode that computes wrongly is left out, and said. */
function skipped(error: unknown): null {
  if (!(error instanceof DeviceError)) throw error;
  console.warn(error.message);
  return null;
}

/** The device of a mode, or null where it does not work. */
async function load(mode: GpuMode): Promise<GpuBackend | null> {
  const known = loaded.get(mode);
  if (known && !known.launcher.isLost) return known;
  const opened = opening.get(mode) ?? open(mode).finally(() => opening.delete(mode));
  opening.set(mode, opened);
  return opened;
}

async function open(mode: GpuMode): Promise<GpuBackend | null> {
  const { openCheckedGpu } = await import("./open.ts");
  const backend = await openCheckedGpu(mode);
  if (!backend) return null;
  loaded.set(mode, backend);
  registerBackend(backend.name, () => backend);
  return backend;
}

const hints: Readonly<Record<GpuMode, string>> = {
  webgl2: "it needs a browser whose WebGL has float textures",
  webgpu: "it needs an engine with navigator.gpu and an adapter; Node has it from the package webgpu",
  headlessgl: "it needs the package gl, built for this system, and a display",
  webasm: "it needs an engine with WebAssembly",
  cpu: "gpu.js is not sound",
};
