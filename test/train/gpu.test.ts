import t from "tap";
import { getBackend, registerBackend } from "../../src/tensor/backend.ts";
import { openGpu } from "../../src/tensor/backends/gpujs/open.ts";
import { loadGpu } from "../../src/tensor/devices.ts";
import { Rng } from "../../src/tensor/rng.ts";
import { Pretrainer, type StepMetrics } from "../../src/train/pretrainer.ts";
import { trainingSettings } from "../../src/train/settings.ts";
import { syntheticBatch } from "../../src/train/synthetic-batch.ts";
import { getPreset } from "../../src/vilt/config.ts";
import "../support.ts";

const { model, wordPatchAlignment } = getPreset("toy");
const settings = trainingSettings("toy", { steps: 20, batchSize: 4 });

/** Three steps of training, and the parameters afterwards. */
async function train(device: string): Promise<{ steps: StepMetrics[]; parameters: [string, Float32Array][] }> {
  const placement = { device, dtype: "float32" } as const;
  const pretrainer = new Pretrainer({ model, wordPatchAlignment, settings, seed: 5, placement });
  const batch = syntheticBatch(model, settings.batchSize, new Rng("gpu"));
  const steps: StepMetrics[] = [];
  for (let step = 0; step < 3; step++) steps.push(await pretrainer.train(batch));
  const parameters = await Promise.all(
    [...pretrainer.model.namedParameters()].map(
      async ([name, { value }]) => [name, (await value.data()) as Float32Array] as [string, Float32Array],
    ),
  );
  return { steps, parameters };
}

for (const mode of ["cpu", "webasm"])
  t.test(`gpu:${mode}: training steps of a toy model are those of cpu, and nothing is left to cpu`, async (t) => {
    const device = await loadGpu(mode);
    const [expected, actual] = [await train("cpu"), await train(device)];
    for (const [i, { wpaLoss, ...metrics }] of actual.steps.entries()) {
      const { wpaLoss: expectedWpa, ...rest } = expected.steps[i]!;
      for (const [name, value] of Object.entries({ ...rest, ...expectedWpa })) {
        const found = { ...metrics, ...wpaLoss }[name]!;
        t.ok(Math.abs(found - value) <= 2e-5 * Math.max(1, Math.abs(value)), `step ${i}: ${name} ${found}, ${value}`);
      }
    }
    // An Adam step is lr · sign(g) at first: where a gradient is rounding alone, so is the step.
    let far = 0;
    let count = 0;
    for (const [i, [name, values]] of actual.parameters.entries()) {
      t.equal(name, expected.parameters[i]![0]);
      values.forEach((value, k) => {
        count++;
        if (Math.abs(value - expected.parameters[i]![1][k]!) > 1e-5) far++;
      });
    }
    t.ok(far / count < 0.01, `${far} of ${count} parameters differ by more than 1e-5`);
    t.same([...getBackend(device).fallbacks], []);
  });

t.test(
  "a device that answers later: nothing in a step reads before it waits, and the numbers are the same",
  async (t) => {
    const backend = (await openGpu("webasm", { isAsynchronous: true, name: "later" }))!;
    registerBackend("later", () => backend);
    t.strictSame(await train("later"), await train(await loadGpu("webasm")));
  },
);
