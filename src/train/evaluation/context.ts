import type { CaptionedImages, Sample } from "../../data/dataset.ts";
import type { Encoding, Tokenizer } from "../../data/tokenizer.ts";
import type { Rng } from "../../tensor/rng.ts";
import type { WordPatchAlignmentConfig } from "../../vilt/config.ts";
import type { ViltForPretraining } from "../../vilt/pretraining.ts";

/** A share that is right, beside what guessing would get. */
export interface Score {
  readonly score: number;
  readonly chance: number;
}

export interface EvaluationOptions {
  readonly model: ViltForPretraining;
  readonly tokenizer: Tokenizer;
  readonly dataset: CaptionedImages;
  readonly split: string;
  /** Most samples to judge by; a smaller split is used whole. */
  readonly samples: number;
  /** Most pictures, each with one caption, among which retrieval has to choose. */
  readonly pool: number;
  readonly wordPatchAlignment: readonly WordPatchAlignmentConfig[];
  readonly truncate: boolean;
  readonly seed: number;
}

/** A sample with its caption in tokens. */
export interface EncodedSample {
  readonly sample: Sample;
  readonly encoding: Encoding;
}

/** What the parts of an evaluation share. */
export interface EvaluationContext extends EvaluationOptions {
  readonly rng: Rng;
  readonly encoded: readonly EncodedSample[];
}

/** Rows of one forward pass. */
export const CHUNK = 64;

export function* chunks<T>(items: readonly T[], length = CHUNK): Generator<T[]> {
  for (let start = 0; start < items.length; start += length) yield items.slice(start, start + length);
}
