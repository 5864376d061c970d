import { GoldenCase, type UnderTest } from "./golden-case.ts";
import { readCases } from "./read-cases.ts";
import type { CaseResult } from "./verify-case.ts";

/**
 * Runs every recorded case of a folder: JSON files that state a `kind`, with their tensors beside them, and checkpoint
 * folders with an `expected.safetensors`. In float64 the
 * values recorded in float64 are compared with the tight tolerances, all others with those of float32.
 *
 * @throws {DataError} when the folder has no case
 */
export async function verifyFolder(folder: string, underTest: UnderTest): Promise<CaseResult[]> {
  // The kinds are much code that nothing else needs: the library starts without it.
  const { failed, kinds, verifyCase } = await import("./verify-case.ts");
  const { verifyImageProcessor, verifyModelFolder } = await import("./kinds/model-folder.ts");
  const allKinds = { ...kinds, model_folder: verifyModelFolder, image_processor: verifyImageProcessor };
  const results: CaseResult[] = [];
  for (const found of readCases(folder))
    results.push(
      found instanceof GoldenCase
        ? await verifyCase(found, underTest, allKinds)
        : failed(found.name, "unreadable", found.error),
    );
  return results;
}
