import { backward } from "../autograd/grad.ts";
import { broadcastTo } from "../autograd/ops/reduce.ts";
import { getBackend } from "../tensor/backend.ts";
import type { MetaBackend } from "../tensor/backends/meta/index.ts";
import { zeros } from "../tensor/create.ts";
import type { KernelName } from "../tensor/kernels.ts";
import { Rng } from "../tensor/rng.ts";
import { scope } from "../tensor/scope.ts";
import type { Preset } from "../vilt/config.ts";
import { ViltForPretraining } from "../vilt/pretraining.ts";
import { Pretrainer } from "./pretrainer.ts";
import type { TrainingSettings } from "./settings.ts";
import { syntheticBatch, syntheticTexts } from "./synthetic-batch.ts";

export interface KernelProfile {
  readonly kernel: string;
  /** In the forward and the backward pass of one step; of what only the update runs, where steps were measured. */
  readonly calls: number;
  /** Floating-point operations of matrix products, 2 for each multiply-add. */
  readonly flops: number;
  readonly bytesWritten: number;
  /** Median over the measured steps, the update of the parameters included; absent when nothing was measured. */
  readonly milliseconds?: number;
}

export interface Profile {
  readonly parameters: number;
  readonly batchSize: number;
  readonly kernels: readonly KernelProfile[];
  /** Median duration of a whole step; absent when nothing was measured. */
  readonly stepMilliseconds?: number;
  /** Kernels that the device left to `cpu`, and how often. */
  readonly fallbacks: Readonly<Record<string, number>>;
}

export interface ProfileOptions {
  readonly preset: Preset;
  readonly settings: TrainingSettings;
  readonly batchSize: number;
  readonly device: string;
  /** Steps to measure; 0 counts only, which takes no memory for any size of model. */
  readonly steps: number;
  readonly seed: number;
}

/** What one pre-training step costs, by kernel: counted on the `meta` device, and measured on a real one. */
export async function profileStep(options: ProfileOptions): Promise<Profile> {
  const { parameters, costs } = countStep(options);
  const measured = options.steps > 0 ? await measureSteps(options) : undefined;
  const names = new Set<KernelName>([...costs.keys(), ...(measured?.kernels.keys() ?? [])]);
  const kernels = [...names].map((kernel) => {
    const ofUpdate = { calls: measured?.calls.get(kernel) ?? 0, productFlops: 0, bytesWritten: 0 };
    const { calls, productFlops, bytesWritten } = costs.get(kernel) ?? ofUpdate;
    const milliseconds = measured && (measured.kernels.get(kernel) ?? 0);
    return { kernel, calls, flops: productFlops, bytesWritten, ...(milliseconds !== undefined && { milliseconds }) };
  });
  const cost = ({ milliseconds, bytesWritten }: KernelProfile) => milliseconds ?? bytesWritten;
  return {
    ...{ parameters, batchSize: options.batchSize, kernels: kernels.sort((a, b) => cost(b) - cost(a)) },
    ...(measured && { stepMilliseconds: measured.step }),
    fallbacks: Object.fromEntries(measured?.fallbacks ?? []),
  };
}

/** One step by shapes alone, without the update. */
function countStep({ preset: { model: config, wordPatchAlignment }, batchSize, seed }: ProfileOptions) {
  const device = { device: "meta" };
  const backend = getBackend("meta") as MetaBackend;
  const rng = new Rng(seed);
  const model = new ViltForPretraining(config, { rng: null, ...device });
  const { texts, ...labels } = syntheticTexts(config, batchSize, rng);
  // Made on the device: on the host, the pixels of a published batch would fill gigabytes.
  const pixelValues = broadcastTo(zeros([], device), [batchSize, config.numChannels, ...config.imageSize]);
  const batch = { ...texts, ...labels, pixelValues, matchingPixelValues: pixelValues };
  backend.reset();
  scope(() => {
    backward(model.losses(batch, { rng, wordPatchAlignment }).total);
  }, "profileStep()");
  return { parameters: model.countParameters(), costs: new Map(backend.costs) };
}

/** Steps before the engine has compiled what it runs. */
const WARM_UP = 3;

async function measureSteps({ preset, settings, batchSize, device, steps, seed }: ProfileOptions) {
  const { model, wordPatchAlignment } = preset;
  const backend = getBackend(device);
  const [height, width] = model.imageSize;
  // A batch that does not fit is refused before minutes are spent on its noise.
  backend.release(backend.allocate("float32", batchSize * model.numChannels * height * width));
  const pretrainer = new Pretrainer({ model, wordPatchAlignment, settings, seed, placement: { device } });
  const batch = syntheticBatch(model, batchSize, new Rng(seed));
  const original = backend.run;
  const run = original.bind(backend);
  const durations: number[] = [];
  const samples = new Map<KernelName, number[]>();
  let calls = new Map<KernelName, number>();
  try {
    for (let step = -WARM_UP; step < steps; step++) {
      const times = new Map<KernelName, number>();
      calls = new Map();
      backend.run = (kernel, inputs, out, attributes) => {
        const start = performance.now();
        run(kernel, inputs, out, attributes);
        backend.settle?.();
        calls.set(kernel, (calls.get(kernel) ?? 0) + 1);
        times.set(kernel, (times.get(kernel) ?? 0) + performance.now() - start);
      };
      const start = performance.now();
      await pretrainer.train(batch);
      if (step < 0) continue;
      durations.push(performance.now() - start);
      for (const [kernel, time] of times) samples.set(kernel, [...(samples.get(kernel) ?? []), time]);
    }
  } finally {
    backend.run = original;
  }
  return {
    step: median(durations),
    calls,
    kernels: new Map([...samples].map(([kernel, times]) => [kernel, median(times)])),
    fallbacks: backend.fallbacks,
  };
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
