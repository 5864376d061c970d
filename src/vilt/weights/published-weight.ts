import type { Module } from "../../nn/module.ts";
import type { ViltConfig } from "../config.ts";

/** A published tensor and the parameter whose values it holds, in the same order under another shape. */
export interface PublishedWeight {
  readonly published: string;
  readonly shape: readonly number[];
  /** Dotted path, from the backbone or from a model with heads. */
  readonly parameter: string;
  /** [start, end): the rows of the parameter that it holds; all of them when not said. */
  readonly rows?: readonly [number, number];
}

/** Model that can be loaded: a backbone, or one with heads that holds it in a field `backbone`. */
export type Loadable = Module & { readonly config: ViltConfig };

/** How files name and cut the weights. */
export interface WeightLayout {
  readonly name: string;
  /** Of every parameter of a model, in the order of the files. @param prefix of our own parameters */
  weights(model: Loadable): PublishedWeight[];
  /** The name to look a weight up by, where files of one layout differ. */
  find(published: string, names: ReadonlySet<string>): string;
  /** Whether a tensor that the model has no use for may stand in the file: another task's head, an alias. */
  mayBeLeft(name: string, known: ReadonlySet<string>): boolean;
}
