import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import path from "node:path";
import { parseJson } from "../../data/json.ts";
import { parseSafetensors } from "../../data/safetensors.ts";
import { DataError } from "../../tensor/errors.ts";
import { GoldenCase, parseCase } from "./golden-case.ts";

/** A case, or why it could not be read. */
export type ReadCase = GoldenCase | { readonly name: string; readonly error: Error };

/**
 * All cases of a folder: JSON files that state a `kind`, each with its safetensors file, and checkpoint folders with an
 * `expected.safetensors`, which may be the folder itself.
 *
 * @throws {DataError} when there is none
 */
export function readCases(folder: string): ReadCase[] {
  if (!existsSync(folder) || !statSync(folder).isDirectory()) throw new DataError(`${folder}: no such folder`);
  const entries = readdirSync(folder).sort();
  const folders = [folder, ...entries.map((entry) => path.join(folder, entry))];
  const cases = [
    ...entries.filter((file) => file.endsWith(".json")).flatMap((file) => readCase(folder, file)),
    ...folders.filter((place) => existsSync(path.join(place, EXPECTED))).map(readFolderCase),
  ];
  if (cases.length === 0) throw new DataError(`${folder}: no JSON file that states a kind, and no ${EXPECTED}`);
  return cases;
}

/** What a library computed from the checkpoint beside it. */
const EXPECTED = "expected.safetensors";

function readFolderCase(folder: string): ReadCase {
  const name = path.basename(path.resolve(folder));
  const file = path.join(folder, EXPECTED);
  const kind = existsSync(path.join(folder, "config.json")) ? "model_folder" : "image_processor";
  try {
    return new GoldenCase(name, { kind, folder, tolerances: {} }, parseSafetensors(readFileSync(file), file));
  } catch (error) {
    return { name, error: error as Error };
  }
}

function readCase(folder: string, file: string): ReadCase[] {
  const name = file.slice(0, -".json".length);
  try {
    const json = parseJson(readFileSync(path.join(folder, file), "utf8"), file);
    const found = parseCase(name, json, (stated) => {
      const tensorFile = path.join(folder, stated ?? `${name}.safetensors`);
      if (stated === undefined && !existsSync(tensorFile)) return new Map();
      return parseSafetensors(readFileSync(tensorFile), tensorFile);
    });
    return found ? [found] : [];
  } catch (error) {
    return [{ name, error: error as Error }];
  }
}
