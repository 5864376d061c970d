import seedrandom from "seedrandom";

/** Everything needed to continue a stream of random numbers where it stopped; plain JSON. */
export interface RngState {
  readonly generator: object;
  readonly spareNormal: number | null;
}

/**
 * The only source of randomness. One stream, seeded by a string or number; its state is part of every checkpoint.
 * `split` derives independent streams by name, so that adding a consumer does not shift the draws of another.
 */
export class Rng {
  readonly #seed: string;
  #generator: seedrandom.StatefulPRNG<seedrandom.State.Arc4>;
  #spareNormal: number | null = null;

  constructor(seed: number | string) {
    this.#seed = String(seed);
    this.#generator = seedrandom(this.#seed, { state: true });
  }

  /** An independent stream that depends on this seed and on `name` alone, not on what was drawn so far. */
  split(name: string): Rng {
    return new Rng(`${this.#seed}/${name}`);
  }

  /** Where every draw comes from. */
  get #source(): seedrandom.StatefulPRNG<seedrandom.State.Arc4> {
    this.#note();
    return this.#generator;
  }

  #note(): void {
    if (notes && !notes.has(this)) notes.set(this, this.state);
  }

  /** Uniform in [low, high). */
  uniform(low = 0, high = 1): number {
    return low + (high - low) * this.#source.double();
  }

  /** Uniform whole number in [0, n). */
  int(n: number): number {
    return Math.floor(this.#source.double() * n);
  }

  /** 32 random bits, as an unsigned whole number. */
  bits(): number {
    return this.#source.int32() >>> 0;
  }

  bernoulli(probability: number): boolean {
    return this.#source.double() < probability;
  }

  /** Standard normal (Box and Muller 1958); the second of each pair is kept for the next call. */
  normal(mean = 0, std = 1): number {
    this.#note();
    if (this.#spareNormal !== null) {
      const z = this.#spareNormal;
      this.#spareNormal = null;
      return mean + std * z;
    }
    const radius = Math.sqrt(-2 * Math.log(1 - this.#source.double()));
    const angle = 2 * Math.PI * this.#source.double();
    this.#spareNormal = radius * Math.sin(angle);
    return mean + std * radius * Math.cos(angle);
  }

  choice<T>(items: readonly T[]): T {
    return items[this.int(items.length)]!;
  }

  /** A shuffled copy (Fisher and Yates). */
  shuffle<T>(items: readonly T[]): T[] {
    const shuffled = [...items];
    for (let i = shuffled.length - 1; i > 0; i--) {
      const j = this.int(i + 1);
      [shuffled[i], shuffled[j]] = [shuffled[j]!, shuffled[i]!];
    }
    return shuffled;
  }

  /** 0 … n − 1 in random order. */
  permutation(n: number): number[] {
    return this.shuffle(Array.from({ length: n }, (_, i) => i));
  }

  get state(): RngState {
    return { generator: this.#generator.state(), spareNormal: this.#spareNormal };
  }

  set state({ generator, spareNormal }: RngState) {
    this.#generator = seedrandom("", { state: generator as seedrandom.State.Arc4 });
    this.#spareNormal = spareNormal;
  }
}

/** The states that streams had before their first draw. */
export type Draws = ReadonlyMap<Rng, RngState>;

let notes: Map<Rng, RngState> | null = null;

/** Runs `body` and notes where each stream that it drew from stood, so that `replayDraws` can repeat the draws. */
export function noteDraws<T>(body: () => T): { result: T; draws: Draws } {
  const outer = notes;
  const draws = new Map<Rng, RngState>();
  notes = draws;
  try {
    return { result: body(), draws };
  } finally {
    notes = outer;
    if (outer) for (const [rng, state] of draws) if (!outer.has(rng)) outer.set(rng, state);
  }
}

/** Runs `body` with the streams where they stood, and puts them back to where they are now. */
export function replayDraws<T>(draws: Draws, body: () => T): T {
  const outer = notes;
  const now = [...draws.keys()].map((rng) => [rng, rng.state] as const);
  for (const [rng, state] of draws) rng.state = state;
  notes = null; // what is repeated leaves no trace
  try {
    return body();
  } finally {
    notes = outer;
    for (const [rng, state] of now) rng.state = state;
  }
}
