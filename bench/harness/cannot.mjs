/** Why a contender has no number for a work, as its row says it. */
export class Cannot extends Error {
  constructor(note, status = "cannot") {
    super(note);
    this.status = status;
  }
}

/** The function for this kind of work. @throws {Cannot} when the contender has none */
export function kindOf(kinds, { kind }, reason) {
  if (!Object.hasOwn(kinds, kind)) throw new Cannot(reason ?? `only ${Object.keys(kinds).join(", ")}`);
  return kinds[kind];
}
