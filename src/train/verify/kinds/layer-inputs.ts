import type { Module } from "../../../nn/module.ts";
import type { Tensor } from "../../../tensor/tensor.ts";
import type { UnderTest } from "../golden-case.ts";

/** What one operation of the case has recorded. */
export interface LayerInputs {
  readonly underTest: UnderTest;
  readonly attributes: Readonly<Record<string, number | string>>;
  has(name: string): boolean;
  shape(name: string): readonly number[];
  /** A recorded input; floats are variables, so that their gradient can be asked for. */
  tensor(name: string): Tensor;
  /** Puts recorded inputs into parameters, by path, and asks for the gradients of those. */
  load<M extends Module>(module: M, paths: Readonly<Record<string, string>>): M;
}

/** Computes an operation from its inputs. */
export type Layer = (given: LayerInputs) => Tensor;
