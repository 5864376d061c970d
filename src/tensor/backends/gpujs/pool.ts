import type { Counters } from "./counters.ts";

/** What gpu.js notes on its textures and buffers: how many of its own objects stand for one. */
export interface Piece {
  _refs: number;
}

/** Free memory that is kept for later results. */
const MOST_FREE_BYTES = 2 ** 28;

/** Pieces of device memory by size: what is given back is used again, and counted. */
export class Pool<P extends Piece> {
  readonly #free = new Map<string, P[]>();
  readonly #live = new Map<P, { readonly key: string; readonly bytes: number }>();
  #freeBytes = 0;

  constructor(
    readonly counters: Counters,
    readonly destroy: (piece: P) => void,
  ) {}

  /** A free piece of that size, or null. */
  take(key: string): P | null {
    const piece = this.#free.get(key)?.pop();
    if (!piece) return null;
    this.#freeBytes -= this.#live.get(piece)!.bytes;
    return piece;
  }

  /** Notes what a result was written to. */
  use(piece: P, key: string, bytes: number): void {
    if (this.#live.has(piece)) {
      this.counters.reuses++;
      return;
    }
    this.#live.set(piece, { key, bytes });
    this.counters.allocations++;
    this.counters.live++;
    this.counters.liveBytes += bytes;
  }

  /** A user of the piece lets go; the last one makes it free. */
  letGo(piece: P): void {
    piece._refs--;
    if (piece._refs > 0) return;
    const { key, bytes } = this.#live.get(piece)!;
    if (this.#freeBytes + bytes > MOST_FREE_BYTES) {
      this.destroy(piece);
      this.forget(piece);
      return;
    }
    const free = this.#free.get(key);
    if (free) free.push(piece);
    else this.#free.set(key, [piece]);
    this.#freeBytes += bytes;
  }

  /** Strikes off a piece that is no longer there. */
  forget(piece: P): void {
    const entry = this.#live.get(piece);
    if (!entry) return;
    this.#live.delete(piece);
    this.counters.live--;
    this.counters.liveBytes -= entry.bytes;
  }
}
