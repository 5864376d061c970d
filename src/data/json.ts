import { DataError } from "../tensor/errors.ts";

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

/**
 * A key that occurs twice in one object of a JSON text, or null. `JSON.parse` keeps the last one in silence, and two
 * readers that keep different ones would see different files.
 *
 * @param text valid JSON
 */
export function findRepeatedKey(text: string): string | null {
  const tokens = /"(?:[^"\\]|\\.)*"|[{}[\]:,]/g;
  /** Keys of each open object; null for an array. */
  const open: (Set<string> | null)[] = [];
  let previous = "";
  for (const [token] of text.matchAll(tokens)) {
    if (token === "{") open.push(new Set());
    else if (token === "[") open.push(null);
    else if (token === "}" || token === "]") open.pop();
    else if (token === ":") {
      const key = JSON.parse(previous) as string;
      const keys = open.at(-1)!;
      if (keys.has(key)) return key;
      keys.add(key);
    }
    previous = token;
  }
  return null;
}
