import { GoldenCase, type UnderTest } from "./golden-case.ts";
import { verifyImageProcessor, verifyModelFolder } from "./kinds/model-folder.ts";
import { readCases } from "./read-cases.ts";
import { type CaseResult, failed, kinds, verifyCase } from "./verify-case.ts";

const allKinds = { ...kinds, model_folder: verifyModelFolder, image_processor: verifyImageProcessor };

/**
 * Runs every recorded case of a folder: JSON files that state a `kind`, with their tensors beside them, and checkpoint
 * folders with an `expected.safetensors`. In float64 the
 * values recorded in float64 are compared with the tight tolerances, all others with those of float32.
 *
 * @throws {DataError} when the folder has no case
 */
export async function verifyFolder(folder: string, underTest: UnderTest): Promise<CaseResult[]> {
  const results: CaseResult[] = [];
  for (const found of readCases(folder))
    results.push(
      found instanceof GoldenCase
        ? await verifyCase(found, underTest, allKinds)
        : failed(found.name, "unreadable", found.error),
    );
  return results;
}
