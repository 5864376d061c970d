import { profileStep } from "../train/profile.ts";
import { trainingSettings } from "../train/settings.ts";
import { getPreset, presetNames } from "../vilt/config.ts";
import { commonCommand, printResult, useDevice, wholeNumber } from "./options.ts";
import { formatTable } from "./tables.ts";

/** `viltgrad profile`: what a pre-training step costs, kernel by kernel. */
export function profileCommand() {
  return commonCommand("profile", "parameters, operations, bytes and time of one pre-training step, by kernel")
    .option("--preset <name>", `size of the model: ${presetNames.join(", ")}`, "tiny")
    .option("--batch-size <n>", "pairs of a batch (default: the preset's)", wholeNumber(2))
    .option("--steps <n>", "steps to measure; 0 only counts, which works for any size", wholeNumber(0), 10)
    .action(async (options) => {
      await useDevice(options);
      const preset = getPreset(options.preset);
      const { batchSize = preset.batchSize, device, steps, seed } = options;
      const settings = trainingSettings(options.preset, { batchSize });
      const profile = await profileStep({ preset, settings, batchSize, device, steps, seed });
      const { parameters, kernels, stepMilliseconds, fallbacks } = profile;
      const flops = kernels.reduce((total, kernel) => total + kernel.flops, 0);
      const rows = kernels.map(({ kernel, calls, flops, bytesWritten, milliseconds }) => [
        ...[kernel, String(calls), (flops / 1e9).toFixed(3), (bytesWritten / 1e6).toFixed(1)],
        milliseconds?.toFixed(2) ?? "–",
        milliseconds && flops ? (flops / milliseconds / 1e6).toFixed(1) : "–",
      ]);
      const rate = stepMilliseconds ? `, ${stepMilliseconds.toFixed(1)} ms on ${device}` : "";
      const text = [
        `${options.preset}: ${parameters.toLocaleString("en")} parameters; a step of ${batchSize} pairs: ${(flops / 1e9).toFixed(2)} GFLOP in matrix products${rate}`,
        formatTable([["kernel", "calls", "GFLOP", "MB written", "ms", "GFLOP/s"], ...rows]),
        `left to cpu: ${
          Object.entries(fallbacks)
            .map(([kernel, count]) => `${kernel} ${count}`)
            .join(", ") || "nothing"
        }`,
      ];
      printResult(options.json, { preset: options.preset, device, ...profile }, text.join("\n"));
    });
}
