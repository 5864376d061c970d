/** What a scope looks after: tensors. */
export abstract class Scoped {
  /** Increases with every one that is made. */
  readonly serial = nextSerial++;
  #kept = false;

  constructor() {
    current?.push(this);
  }

  get isKept(): boolean {
    return this.#kept;
  }

  /** No scope, `noGrad` or `backward()` gives this memory back; only `release()` does, or the collector. */
  keep(): this {
    this.#kept = true;
    return this;
  }

  /** Gives the memory back now. @param by named in the error that a later reader sees */
  abstract release(by?: string): void;
}

let nextSerial = 0;
const NOTHING: ReadonlySet<Scoped> = new Set();

/** The serial of what will be made next. */
export function serialOfNext(): number {
  return nextSerial;
}

/** What was made since the innermost open scope began; null outside of any. */
let current: Scoped[] | null = null;

/** What is reachable from the result of a scoped function: itself, or the items of arrays, maps, sets and plain objects. */
export function reachable(value: unknown): ReadonlySet<Scoped> {
  const found = new Set<Scoped>();
  collect(value, found);
  return found;
}

function collect(value: unknown, found: Set<Scoped>): void {
  if (typeof value !== "object" || value === null) return;
  if (value instanceof Scoped) found.add(value);
  else if (Array.isArray(value) || value instanceof Set) for (const item of value) collect(item, found);
  else if (value instanceof Map) for (const item of value.values()) collect(item, found);
  else if (Object.getPrototypeOf(value) === Object.prototype)
    for (const item of Object.values(value)) collect(item, found);
}

/**
 * Runs `body` and gives back the memory of every tensor made inside, except those it returns (also within arrays and
 * plain objects) and those that were kept. Scopes nest: what an inner one returns belongs to the outer one.
 *
 * @param name what released them, for the error that a later reader sees
 */
export function scope<T>(body: () => T, name = "scope()"): T {
  const outer = current;
  const made: Scoped[] = [];
  current = made;
  let returned = NOTHING;
  try {
    const result = body();
    returned = reachable(result);
    return result;
  } finally {
    current = outer;
    for (const item of made) {
      if (returned.size > 0 && returned.has(item)) outer?.push(item);
      else if (!item.isKept) item.release(name);
    }
  }
}
