import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import type * as z from "zod";
import { DataError } from "../../tensor/errors.ts";
import { splitWords } from "../tokenizer.ts";

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
export function parseLines<Value>(text: string, file: string, schema: z.ZodType<Value>): Read<Value>[] {
  return text.split("\n").flatMap((line, i) => {
    if (line.trim() === "") return [];
    const record = `${file}, line ${i + 1}`;
    return [{ value: checkValue(schema, parseJson(line, record), record), record }];
  });
}

/** @throws {DataError} naming the record, and the line where it has several */
export function parseJson(json: string, record: string): unknown {
  try {
    return JSON.parse(json);
  } catch (cause) {
    const lines = json.trimEnd().split("\n");
    const line = lines.length > 1 ? `, line ${faultyLine(lines)}` : "";
    throw new DataError(`${record}${line}: not JSON: ${(cause as Error).message.replace(/\s+/g, " ")}`, { cause });
  }
}

/** The first line, from 1, up to which the text is no beginning of any JSON: found by halving, as V8 seldom says where. */
function faultyLine(lines: readonly string[]): number {
  let [sound, faulty] = [0, lines.length];
  while (faulty - sound > 1) {
    const middle = (sound + faulty) >> 1;
    if (beginsJson(lines.slice(0, middle).join("\n"))) sound = middle;
    else faulty = middle;
  }
  return faulty;
}

function beginsJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch (error) {
    const { message } = error as SyntaxError;
    return /end of JSON|Unterminated/.test(message) || /at position (\d+)/.exec(message)?.[1] === String(text.length);
  }
}

/** @throws {DataError} naming the record and the first field that does not fit */
export function checkValue<Value>(schema: z.ZodType<Value>, value: unknown, record: string): Value {
  const { data, error } = schema.safeParse(value);
  if (!error) return data;
  const { path, message } = error.issues[0]!;
  throw new DataError(`${record}: ${path.length > 0 ? `"${path.join(".")}": ` : ""}${message}`);
}

/** @throws {DataError} for a text without a word */
export function checkWords(text: string, what: string, record: string): void {
  if (splitWords(text).length === 0) throw new DataError(`${record}: the ${what} is empty`);
}

/** @throws {DataError} for a file without a record */
export function checkSome(records: readonly unknown[], what: string, file: string): void {
  if (records.length === 0) throw new DataError(`${file}: there are no ${what} in it`);
}
