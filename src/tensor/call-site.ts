/** Where this library's own files stand; frames from there are not the user's. */
const library = plain(new URL("..", import.meta.url).href);

/** More frames than the engine's ten lie between a line of user code and a kernel deep inside a model. */
const FRAMES = 60;

/** `at f (place)`, `at place` (V8) and `f@place` (others). */
const FRAME = /(?:^\s*at (?:.*\()?|@)([^()]+:\d+:\d+)\)?$/;

/** File, line and column of the innermost call from outside of this library, or null. Slow: it walks the stack. */
export function callSite(): string | null {
  const before = Error.stackTraceLimit;
  Error.stackTraceLimit = FRAMES;
  const { stack = "" } = new Error();
  Error.stackTraceLimit = before;
  for (const line of stack.split("\n")) {
    const place = plain(FRAME.exec(line)?.[1] ?? "");
    if (place && !place.startsWith(library) && !place.startsWith("node:")) return place;
  }
  return null;
}

function plain(place: string): string {
  return place.replace(/^(async )?file:\/\//, "");
}
