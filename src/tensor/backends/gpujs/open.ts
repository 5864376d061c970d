import type { GPU } from "gpu.js";
import { DeviceError } from "../../errors.ts";
import { GpuBackend } from "./backend.ts";
import type { GpuKernels } from "./kernels/index.ts";
import { Launcher } from "./launcher.ts";
import { type GpuMode, tryMode } from "./modes.ts";
import { findWrongKernel } from "./self-test.ts";

/** A device of that mode, or null where the mode does not work. This file alone loads gpu.js. */
export async function openGpu(mode: GpuMode, options: GpuOptions = {}): Promise<GpuBackend | null> {
  const gpu = await tryMode(await importGpu(), mode);
  if (!gpu) return null;
  const launcher = new Launcher(gpu, mode, options.isAsynchronous ?? mode === "webgpu", options.name);
  return new GpuBackend(launcher, options.kernels);
}

/**
 * The same, after it has computed with a dozen kernels what `cpu` computes.
 *
 * @throws {DeviceError} when something is wrong: the driver is not to be trusted
 */
export async function openCheckedGpu(mode: GpuMode, options: GpuOptions = {}): Promise<GpuBackend | null> {
  const backend = await openGpu(mode, options);
  if (!backend) return null;
  const wrong = await findWrongKernel(backend);
  if (wrong) {
    await backend.launcher.gpu.destroy();
    throw new DeviceError(`gpu: mode ${mode} computes wrongly here: ${wrong}; use another mode or driver`);
  }
  backend.resetCounters();
  return backend;
}

export interface GpuOptions {
  /** Whether kernels answer later: always so in `webgpu` mode. */
  readonly isAsynchronous?: boolean;
  readonly kernels?: GpuKernels;
  /** Instead of `gpu:` and the mode. */
  readonly name?: string;
}

/** The class, however the package was bundled. */
async function importGpu(): Promise<typeof GPU> {
  const module: { GPU?: typeof GPU; default?: typeof GPU | { GPU?: typeof GPU } } = await import("gpu.js");
  const { default: whole } = module;
  return module.GPU ?? (whole as { GPU?: typeof GPU } | undefined)?.GPU ?? (whole as typeof GPU);
}
