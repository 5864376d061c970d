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
