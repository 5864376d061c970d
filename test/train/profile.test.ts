import t from "tap";
import { getBackend } from "../../src/tensor/backend.ts";
import { type KernelProfile, profileStep } from "../../src/train/profile.ts";
import { trainingSettings } from "../../src/train/settings.ts";
import { getPreset, presetNames } from "../../src/vilt/config.ts";
import { ViltForPretraining } from "../../src/vilt/pretraining.ts";
import "../support.ts";

const kernelsOf = (kernels: readonly KernelProfile[]) =>
  Object.fromEntries(kernels.map(({ kernel, ...rest }) => [kernel, rest]));
const profileOf = (name: string, batchSize: number, steps: number, device = "wasm") =>
  profileStep({
    ...{ preset: getPreset(name), settings: trainingSettings(name, { batchSize }), batchSize, device, steps, seed: 0 },
  });

t.test("a batch that the device has no room for is refused at once", async (t) => {
  const start = performance.now();
  await t.rejects(profileOf("b32", 4096, 1), {
    name: "DeviceError",
    message: /wasm has no memory for 7\d{9} more bytes/,
  });
  t.ok(performance.now() - start < 60_000, "not after minutes of drawing noise");
});

t.test("counted operations are those of the formulas", async (t) => {
  const [B, d, L, T, p] = [32, 64, 2, 16, 8];
  const P = (32 / p) ** 2;
  const N = T + 1 + P;
  // Every seventh token is masked, but for [CLS] and [SEP].
  const masked = Array.from({ length: B * T }, (_, k) => k).filter(
    (k) => k % 7 === 3 && k % T !== 0 && k % T !== T - 1,
  ).length;
  const patches = P * 3 * p ** 2 * d;
  const projections = 12 * N * d * d; // q, k, v and output, and an MLP of four times the width
  const heads = masked * (d * d + d * 200) + B * (d * d + 2 * d); // masked words; pooler and matching
  // In the pass of the masked words, the last layer goes on with these alone; alignment reads all of the other pass.
  const leftOut = (B * N - masked) * 9 * d * d;
  const multiplyAdds = 2 * B * (patches + L * projections) - leftOut + heads;
  const alignment = B * T * (1 + P) * d; // cosines of all words with all patches and the class token

  const { parameters, kernels, stepMilliseconds, fallbacks } = await profileOf("toy", B, 0);
  const {
    linear,
    linearGeluSlopes,
    matmul,

    matmulMul,
    linearGradients,
    attention,
    attentionBackward,
    ...others
  } = kernelsOf(kernels);
  const flops = (...kernels: ({ flops: number } | undefined)[]) =>
    kernels.reduce((sum, kernel) => sum + kernel!.flops, 0);
  t.equal(flops(linear, linearGeluSlopes), 2 * multiplyAdds);
  // Backward takes two products for each of forward, but pixels get no gradient.
  // Of the two passes' shares of a weight's gradient, the second is added in its product.
  t.equal(flops(matmul, matmulMul, linearGradients), 2 * (2 * multiplyAdds - 2 * B * patches) + 6 * alignment);
  const asked = B * ((2 * L - 1) * N + T - 1); // there, no token behind the last masked one asks
  t.equal(flops(attention), 2 * asked * 2 * N * d);
  t.equal(flops(attentionBackward), 2 * asked * 5 * N * d, "the weights are computed again");
  t.equal(attention!.calls, 2 * L, "two passes");
  t.equal(linear!.calls, 2 * (1 + 3 * L) + 4);
  t.equal(linearGeluSlopes!.calls, 2 * L);
  t.ok(Object.values(others).every((kernel) => kernel.flops === 0));
  t.equal(attention!.bytesWritten, 4 * asked * d);
  // The usual estimate, 6 for each weight and token, and what it leaves out or counts too much.
  const estimate = 6 * (multiplyAdds + asked * 2 * N * d);
  const total = kernels.reduce((sum, kernel) => sum + kernel.flops, 0);
  t.equal(total, estimate - 4 * B * patches + 6 * alignment + 2 * asked * N * d);
  t.equal(stepMilliseconds, undefined);
  t.ok(kernels.every((kernel) => !("milliseconds" in kernel)));
  t.same(fallbacks, {});
  t.equal(parameters, new ViltForPretraining(getPreset("toy").model, { rng: null }).countParameters());
});

t.test("the published model is counted without its memory", async (t) => {
  const [V, d, T] = [30522, 768, 40];
  const norm = 2 * d;
  const text = V * d + T * d + 2 * d + norm;
  const image = (3 * 32 * 32 + 1) * d + d + (1 + 12 * 12) * d;
  const layer = 4 * (d * d + d) + (4 * d * d + 4 * d) + (4 * d * d + d) + 2 * norm;
  const heads = d * d + d + (d * d + d + norm + d * V + V) + (2 * d + 2);
  const before = process.resourceUsage().maxRSS;
  const { parameters, kernels, batchSize } = await profileOf("b32", 4096, 0);
  t.equal(parameters, text + image + 2 * d + 12 * layer + norm + heads);
  t.equal(parameters, 135_660_092);
  t.equal(batchSize, 4096);
  const { attention } = kernelsOf(kernels);
  const N = T + 1 + 144;
  t.equal(attention!.flops, 2 * 4096 * (23 * N + T - 1) * 2 * N * d);
  t.ok(
    process.resourceUsage().maxRSS - before < 1e6,
    "kilobytes: its parameters alone take half a gigabyte, its pixels fourteen",
  );
  for (const name of presetNames) t.ok((await profileOf(name, 2, 0)).parameters > 1e5, name);
});

t.test("measured on wasm, nothing is left to cpu, and the device is as it was", async (t) => {
  const { run } = getBackend("wasm");
  const { kernels, stepMilliseconds, fallbacks } = await profileOf("toy", 4, 2);
  t.same(fallbacks, {});
  t.equal(getBackend("wasm").run, run);
  const times = kernels.map(({ milliseconds }) => milliseconds!);
  t.ok(
    times.every((time, i) => time >= 0 && (i === 0 || time <= times[i - 1]!)),
    "the dearest kernel comes first",
  );
  t.ok(times.reduce((sum, time) => sum + time, 0) <= 1.5 * stepMilliseconds!);
  const { linear, adamw, sumOfSquares } = kernelsOf(kernels);
  t.ok(linear!.milliseconds! > 0 && linear!.calls > 0);
  t.match(
    adamw,
    { calls: 2, flops: 0 },
    "of the update, one for each of two groups, the calls of a measured step count",
  );
  t.match(sumOfSquares, { calls: 1, flops: 0 });
  t.ok(adamw!.milliseconds! > 0);
});
