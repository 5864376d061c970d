/**
 * What the steps of a training need, each prepared while the step before computes. What goes wrong in preparing is said
 * where the step asks for it, so that the step before ends as if nobody had looked ahead.
 */
export class Lookahead<T> {
  #step = -1;
  #prepared: Promise<T> | null = null;

  /** @param prepare answers what a step needs; it may depend on the step alone */
  constructor(
    readonly prepare: (step: number) => Promise<T>,
    readonly steps: number,
  ) {}

  /** What a step needs. */
  at(step: number): Promise<T> {
    const prepared = step === this.#step ? this.#prepared : null;
    this.#prepared = null;
    return prepared ?? this.prepare(step);
  }

  /** Prepares what a step needs, if there is such a step. */
  async look(step: number): Promise<void> {
    if (step >= this.steps) return;
    this.#step = step;
    this.#prepared = this.prepare(step);
    await Promise.allSettled([this.#prepared]);
  }
}
