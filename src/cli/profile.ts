import { profileStep } from "../train/profile.ts";
import { trainingSettings } from "../train/settings.ts";
import { getPreset, presetNames } from "../vilt/config.ts";
import { type ModelCost, modelCost } from "../vilt/cost.ts";
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
      const cost = modelCost(preset.model);
      const flops = kernels.reduce((total, kernel) => total + kernel.flops, 0);
      const rows = kernels.map(({ kernel, calls, flops, bytesWritten, milliseconds }) => [
        ...[kernel, String(calls), (flops / 1e9).toFixed(3), (bytesWritten / 1e6).toFixed(1)],
        milliseconds?.toFixed(2) ?? "–",
        milliseconds && flops ? (flops / milliseconds / 1e6).toFixed(1) : "–",
      ]);
      const rate = stepMilliseconds ? `, ${stepMilliseconds.toFixed(1)} ms on ${device}` : "";
      const text = [
        costText(cost),
        `${options.preset}: ${parameters.toLocaleString("en")} parameters; a step of ${batchSize} pairs: ${(flops / 1e9).toFixed(2)} GFLOP in matrix products${rate}`,
        formatTable([["kernel", "calls", "GFLOP", "MB written", "ms", "GFLOP/s"], ...rows]),
        `left to cpu: ${
          Object.entries(fallbacks)
            .map(([kernel, count]) => `${kernel} ${count}`)
            .join(", ") || "nothing"
        }`,
      ];
      printResult(options.json, { preset: options.preset, device, ...profile, forward: cost }, text.join("\n"));
    });
}

/** Parameters and operations of one forward pass, part by part, with the paper's way of counting beside them. */
function costText({ size, parts, parameters, flops, paperParameters, paperFlops }: ModelCost): string {
  const { textTokens, patches, keptPatches } = size;
  const rows = parts.map((part) => [part.part, part.parameters.toLocaleString("en"), (part.flops / 1e9).toFixed(3)]);
  return [
    `Backbone, forward, one text of ${textTokens} tokens and one image of ${patches} patches, ${keptPatches} of them kept:`,
    formatTable([
      ["part", "parameters", "GFLOP"],
      ...rows,
      ["in all", parameters.toLocaleString("en"), (flops / 1e9).toFixed(3)],
      ["as the paper counts", paperParameters.toLocaleString("en"), (paperFlops / 1e9).toFixed(3)],
    ]),
    "The paper counts the parameters of patch projection and layers alone. Its GFLOP agree with BERT's and ELECTRA's",
    "counter, which looks words up by a product with the whole table; here a multiply-add of a product is 2, all else 0.",
    "",
  ].join("\n");
}
