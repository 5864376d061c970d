import { readFile } from "node:fs/promises";
import { DataError } from "../tensor/errors.ts";
import { Tokenizer } from "./tokenizer.ts";

/**
 * Reads a `vocab.txt`: one token a line, the id is the number of the line from 0.
 *
 * @throws {DataError} naming the file, and the line of a token that is empty or comes twice
 */
export async function readVocabularyFile(path: string): Promise<Tokenizer> {
  const text = await readFile(path, "utf8").catch((cause: Error) => {
    throw new DataError(`${path}: cannot be read as a vocabulary: ${cause.message}`, { cause });
  });
  return new Tokenizer(text.replace(/\r?\n$/, "").split(/\r?\n/), path);
}
