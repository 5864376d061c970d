import type { SampleOptions, TextNeeds } from "./dataset.ts";
import type { PlanarImage } from "./image.ts";

/** A question about a picture. */
export interface Question {
  readonly picture: PlanarImage;
  readonly question: string;
  /** What each of the people who were asked answered, in the form that `normalizeAnswer` gives. */
  readonly answers: readonly string[];
  /** What kind of question it is, for scores by kind. */
  readonly kind: string;
  /** What an error message calls it, such as a file and a line. */
  readonly record: string;
}

/** A statement about two pictures. */
export interface Statement {
  /** The left and the right one. */
  readonly pictures: readonly [PlanarImage, PlanarImage];
  readonly statement: string;
  readonly isTrue: boolean;
  readonly kind: string;
  readonly record: string;
}

/** Examples of a task, by split and index; an example depends on its arguments alone, as in `CaptionedImages`. */
export interface Examples<Example> {
  readonly name: string;
  readonly splits: readonly string[];
  /** Number of examples; `Infinity` where they are drawn on demand. @throws {DataError} for a split that does not exist */
  size(split: string): number;
  example(split: string, index: number, options?: SampleOptions): Example | Promise<Example>;
  /** Of texts that are drawn. */
  readonly needs?: TextNeeds;
  /** Every text of every split, where they are finitely many: what can be checked before training begins. */
  texts?(): Iterable<{ readonly text: string; readonly record: string }>;
}

/** Questions, with the answers among which a model chooses. */
export interface Questions extends Examples<Question> {
  readonly choices: readonly string[];
}
