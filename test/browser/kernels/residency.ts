import "../../../src/autograd/fluent.ts";
import { getBackend } from "../../../src/tensor/backend.ts";
import type { GpuBackend } from "../../../src/tensor/backends/gpujs/backend.ts";
import { fromArray } from "../../../src/tensor/create.ts";
import { type GpuCounters, gpuCounters, loadGpu, resetGpuCounters } from "../../../src/tensor/devices.ts";
import { Rng } from "../../../src/tensor/rng.ts";
import { Pretrainer } from "../../../src/train/pretrainer.ts";
import { trainingSettings } from "../../../src/train/settings.ts";
import { syntheticBatch } from "../../../src/train/synthetic-batch.ts";
import { getPreset, parseViltConfig } from "../../../src/vilt/config.ts";

/** What some training steps of a very small model did on a device, after the first two. */
export interface Residency {
  readonly counters: GpuCounters;
  /** Pieces of device memory that were alive after each step. */
  readonly live: readonly number[];
  readonly milliseconds: number;
}

async function trainOnGpu(mode: string, steps: number): Promise<Residency> {
  const device = await loadGpu(mode);
  const small = {
    hiddenSize: 8,
    numLayers: 1,
    numHeads: 2,
    imageSize: [8, 8],
    patchSize: 4,
    maxTextLength: 8,
    dropout: 0.1,
  };
  const model = parseViltConfig({ ...getPreset("toy").model, ...small });
  const settings = trainingSettings("toy", { steps: steps + 2, batchSize: 2 });
  const placement = { device, dtype: "float32" } as const;
  const pretrainer = new Pretrainer({ model, wordPatchAlignment: [], settings, seed: 5, placement });
  const batch = syntheticBatch(model, 2, new Rng("gpu"));
  for (let step = 0; step < 2; step++) await pretrainer.train(batch);
  resetGpuCounters(device);
  const start = performance.now();
  const live: number[] = [];
  for (let step = 0; step < steps; step++) {
    await pretrainer.train(batch);
    live.push(gpuCounters(device).live);
  }
  return { counters: gpuCounters(device), live, milliseconds: performance.now() - start };
}

/** The devices that pages asked the browser for: to take one away. */
const devices: GPUDeviceLike[] = [];
interface GPUDeviceLike {
  destroy(): void;
  readonly lost: Promise<unknown>;
}

/** Takes the GPU of a mode away, and tells what using it says, and what it computes once it was loaded again. */
async function loseGpu(mode: string): Promise<{ messages: string[]; again: number[] }> {
  const device = await loadGpu(mode);
  const x = fromArray([1, 2, 3], [3], { device });
  await x.add(x).data();
  const before = x.add(1);
  await takeAway(mode, getBackend(device) as GpuBackend);
  const messages: string[] = [];
  for (const use of [() => before.data(), async () => x.mul(x).data()])
    await use().catch((error: Error) => messages.push(error.message));
  await loadGpu(mode);
  const again = await fromArray([1, 2, 3], [3], { device }).mul(2).data();
  return { messages, again: [...again] };
}

async function takeAway(mode: string, { launcher }: GpuBackend): Promise<void> {
  if (mode === "webgpu") {
    for (const device of devices) device.destroy();
    await Promise.all(devices.map(({ lost }) => lost));
    return;
  }
  const { context } = launcher.gpu as unknown as { context: WebGL2RenderingContext };
  context.getExtension("WEBGL_lose_context")!.loseContext();
  while (!context.isContextLost()) await new Promise((resolve) => setTimeout(resolve, 5));
}

const { GPUAdapter } = globalThis as unknown as {
  GPUAdapter?: { prototype: { requestDevice(...options: unknown[]): Promise<GPUDeviceLike> } };
};
if (GPUAdapter) {
  const { requestDevice } = GPUAdapter.prototype;
  GPUAdapter.prototype.requestDevice = async function (...options) {
    const device = await requestDevice.apply(this, options);
    devices.push(device);
    return device;
  };
}

Object.assign(globalThis, { trainOnGpu, loseGpu, loadDevice: loadGpu });
