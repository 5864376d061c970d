import { verifyFolder } from "../train/verify/verify.ts";
import { commonCommand, printResult, useDevice } from "./options.ts";
import { formatTable } from "./tables.ts";

/** `viltgrad verify`: this implementation against recorded reference cases; exit code 1 unless all of them pass. */
export function verifyCommand() {
  return commonCommand("verify", "run every recorded reference case of a folder and report its largest error")
    .argument("<folder>", "folder of <case>.json files with their <case>.safetensors")
    .action(async (folder, options) => {
      await useDevice(options);
      const results = await verifyFolder(folder, {
        device: options.device,
        dtype: options.device === "cpu" ? "float64" : "float32",
      });
      const failed = results.filter(({ status }) => status !== "pass");
      const rows = results.map(({ case: name, kind, status, compared, largestError, tolerance }) => [
        ...[name, kind, status, String(compared)],
        ...[largestError, tolerance].map((value) => value.toExponential(2)),
      ]);
      const problems = failed.flatMap(({ case: name, failures }) => failures.map((failure) => `${name}: ${failure}`));
      const text = [
        formatTable([["case", "kind", "status", "values", "largest error", "tolerance"], ...rows]),
        ...problems,
      ];
      printResult(options.json, { passed: failed.length === 0, cases: results }, text.join("\n"));
      if (failed.length > 0) process.exitCode = 1;
    });
}
