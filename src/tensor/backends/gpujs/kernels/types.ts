import type { DType } from "../../../dtype.ts";
import type { Attributes, KernelName } from "../../../kernels.ts";
import type { Shape } from "../../../shape.ts";
import type { Cells } from "../cells.ts";
import type { Argument } from "../launcher.ts";

/** An operand as a kernel sees it. */
export interface GpuOperand {
  readonly shape: Shape;
  readonly dtype: DType;
  readonly cells: Cells;
}

type LaunchCells = (source: string, args: readonly Argument[], count: number) => Cells;

/** Compiles a source and runs it: cell `this.thread.x` of the `count` cells that come back is what it returns. */
export interface Launch extends LaunchCells {
  /** The same where it returns [a, b, c, d], the cells from 4 · `this.thread.x` on; null in modes that gain nothing. */
  readonly four: LaunchCells | null;
}

/** Shape, dtype and number of cells of what is computed. */
export interface GpuResult {
  readonly shape: Shape;
  readonly dtype: DType;
  readonly size: number;
}

/** The cells of the output, from one or several launches. */
export type GpuKernel<K extends KernelName> = (
  launch: Launch,
  inputs: readonly GpuOperand[],
  out: GpuResult,
  attributes: Attributes<K>,
) => Cells;

/** An optimiser's step: new cells for the inputs, null for those that stay. */
export type GpuUpdate<K extends KernelName> = (
  launch: Launch,
  inputs: readonly GpuOperand[],
  attributes: Attributes<K>,
) => readonly (Cells | null)[];
