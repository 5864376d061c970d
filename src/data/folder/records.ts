import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import * as z from "zod/mini";
import { DataError } from "../../tensor/errors.ts";
import { expectSchema } from "../../tensor/expect-schema.ts";
import { parseJson } from "../json.ts";
import { splitWords } from "../tokenizer.ts";

/** A path, or what a split is called: not empty. */
export const Name = z.string().check(z.minLength(1));

/** What was read, with what an error message calls it: a file and a place in it. */
export interface Read<Value> {
  readonly value: Value;
  readonly record: string;
}

/**
 * A file that is named itself, or the first of `names` that is in the folder.
 *
 * @param what the file has, in an error message
 */
export async function findFile(path: string, what: string, names: readonly string[]): Promise<string> {
  for (const candidate of [path, ...names.map((name) => join(path, name))]) {
    const found = await stat(candidate).catch(() => null);
    if (found?.isFile()) return candidate;
  }
  throw new DataError(`${path}: expected a ${what} file, or a folder with ${names.join(" or ")}`);
}

export async function readText(file: string): Promise<string> {
  return (await readFile(file, "utf8")).replace(/^\uFEFF/, "");
}

/** JSON lines; empty ones are passed over. @throws {DataError} naming the file, and the line and field that do not fit */
export function parseLines<Value>(text: string, file: string, schema: z.ZodMiniType<Value>): Read<Value>[] {
  return text.split("\n").flatMap((line, i) => {
    if (line.trim() === "") return [];
    const record = `${file}, line ${i + 1}`;
    return [{ value: expectSchema(schema, parseJson(line, record), record), record }];
  });
}

/** @throws {DataError} for a text without a word */
export function checkWords(text: string, what: string, record: string): void {
  if (splitWords(text).length === 0) throw new DataError(`${record}: the ${what} is empty`);
}

/** @throws {DataError} for a file without a record */
export function checkSome(records: readonly unknown[], what: string, file: string): void {
  if (records.length === 0) throw new DataError(`${file}: there are no ${what} in it`);
}
