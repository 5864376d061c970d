import { formatShape, ShapeError } from "../tensor/errors.ts";
import { stridesOf } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import {
  type Comparison,
  compare,
  type ElementComparison,
  type Line,
  lineAlong,
  type Projection,
  type PullBackFailure,
} from "./differences.ts";

/** Why a derivative and its differences disagree, as probing found. */
export interface GradcheckHint {
  readonly cause:
    | "pullBack" // it throws
    | "shape" // it answers or computes with a wrong shape
    | "nonDeterministic"
    | "nonFinite"
    | "detached"
    | "kink"
    | "jump"
    | "step"
    | "rule";
  readonly text: string;
}

export interface Evidence {
  /** What messages call the function: f, or its pull-back. */
  readonly subject: string;
  readonly projection: Projection;
  /** Where the disagreement was found. */
  readonly line: Line;
  readonly found: Comparison;
  /** All elements, where they were compared. */
  readonly elements: readonly ElementComparison[];
  readonly step: number;
  readonly tolerance: number;
}

export function hintOfFailure({ cause, message }: PullBackFailure): GradcheckHint {
  return { cause: cause instanceof ShapeError ? "shape" : "pullBack", text: `the pull-back throws: ${message}` };
}

/** The first of the causes that a probe confirms; a wrong rule when none of the others does. */
export function diagnose(evidence: Evidence): GradcheckHint {
  return (
    nonDeterministic(evidence) ??
    nonFinite(evidence) ??
    kink(evidence) ??
    detached(evidence) ??
    badStep(evidence) ??
    wrongRule(evidence)
  );
}

/** "[1, 2]" of a flat position. */
export function position({ shape }: Pick<Tensor, "shape">, element: number): string {
  return formatShape(stridesOf(shape).map((stride, axis) => Math.floor(element / stride) % shape[axis]!));
}

/** f once more at the same point. */
function nonDeterministic({ subject, projection: { f, inputs, value } }: Evidence): GradcheckHint | null {
  const [before, after] = [value.dataSync(), f(...inputs).dataSync()];
  const k = before.findIndex((v, i) => !Object.is(v, after[i]));
  if (k < 0) return null;
  const text = `${subject} at the same point answers ${before[k]} and then ${after[k]}; does it draw from a stream that goes on, or read something that changes?`;
  return { cause: "nonDeterministic", text };
}

function nonFinite({ subject, projection, found }: Evidence): GradcheckHint | null {
  const hint = (text: string): GradcheckHint => ({ cause: "nonFinite", text });
  const { value, gradients, inputs } = projection;
  const k = value.dataSync().findIndex((v) => !Number.isFinite(v));
  if (k >= 0) return hint(`${subject} itself is ${value.dataSync()[k]} at element ${position(value, k)} of its result`);
  for (const [i, gradient] of gradients.entries()) {
    const at = gradient?.findIndex((v) => !Number.isFinite(v)) ?? -1;
    if (at >= 0)
      return hint(
        `${subject} is finite, but its gradient is ${gradient![at]} at input ${i}, element ${position(inputs[i]!, at)}`,
      );
  }
  if (Number.isFinite(found.numeric)) return null;
  return hint(
    `${subject} is finite at the point but not around it; move the point off the edge, or pass a smaller step`,
  );
}

/** No gradient at all, although f moves with the input. */
function detached({ subject, projection, found, elements, step, tolerance }: Evidence): GradcheckHint | null {
  const { gradients, tracked, moving } = projection;
  const isZero = (i: number) => gradients[i]!.every((v) => v === 0);
  const text = (what: string) =>
    `${what}, though ${subject} changes with it; is there a detach(), a noGrad(), or a value read by dataSync()?`;
  if (!tracked && Math.abs(found.numeric) > tolerance) {
    return { cause: "detached", text: text("the result has no history") };
  }
  for (const i of moving) {
    if (!isZero(i)) continue;
    const moved = elements.length
      ? elements.some((e) => e.input === i && Math.abs(e.numeric) > tolerance)
      : moving.length === 1 || movesAlone(projection, i, step, tolerance);
    if (moved) return { cause: "detached", text: text(`the gradient of input ${i} is 0 everywhere`) };
  }
  return null;
}

function movesAlone(projection: Projection, input: number, step: number, tolerance: number): boolean {
  const { inputs } = projection;
  const direction = inputs.map((x, i) => (i === input ? new Float64Array(x.size).fill(1) : null));
  return Math.abs(compare(lineAlong(projection, direction), step).numeric) > tolerance;
}

/** Pieces that the stretch of the differences, −2h … 2h, is cut into. */
const PIECES = 32;

/** One change of slope that stands out from those along the rest of the stretch: left and right differences disagree. */
function kink({ subject, line, step }: Evidence): GradcheckHint | null {
  const width = (4 * step) / PIECES;
  const at = (i: number) => -2 * step + i * width;
  const values = Array.from({ length: PIECES + 1 }, (_, i) => line.at(at(i)));
  const slopes = values.slice(1).map((value, i) => (value - values[i]!) / width);
  const changes = slopes.slice(1).map((slope, i) => Math.abs(slope - slopes[i]!));
  const total = changes.reduce((sum, change) => sum + change, 0);
  // A kink inside of a piece shares its change between two neighbours.
  const pairs = changes.slice(1).map((change, i) => change + changes[i]!);
  const largest = Math.max(...pairs);
  const rounding = (16 * Number.EPSILON * Math.max(...values.map(Math.abs))) / width;
  if (!(largest > 0.6 * total && largest > 16 * rounding)) return null;
  const i = pairs.indexOf(largest);
  const [left, right] = [slopes[i]!, slopes[i + 2]!];
  const offset = Math.abs((at(i + 1) * changes[i]! + at(i + 2) * changes[i + 1]!) / largest);
  const isJump = Math.abs(right - left) < 0.1 * largest;
  // A jump lies anywhere in its piece.
  const where = offset < width * (isJump ? 1 : 0.01) ? "at the point" : `about ${offset.toPrecision(1)} beside it`;
  if (isJump) {
    return { cause: "jump", text: `${subject} jumps ${where}; move the point away from it` };
  }
  const text = `${subject} has a kink ${where}: its slope is ${left.toPrecision(4)} on the left and ${right.toPrecision(4)} on the right; move the point away from it`;
  return { cause: "kink", text };
}

/** Other steps, in the hope that the error falls with them. */
function badStep({ line, found, step, tolerance }: Evidence): GradcheckHint | null {
  const others = [step / 4, step / 16, step / 64, ...[1e-5, 1e-4, 1e-3, 1e-2].filter((other) => other > step)];
  for (const other of others) {
    const { relativeError } = compare(line, other);
    if (!(relativeError <= tolerance || relativeError < found.relativeError / 100)) continue;
    const text = `a step of ${step} is too ${other < step ? "large" : "small"} here: with { step: ${other} } the relative error is ${relativeError.toExponential(1)}`;
    return { cause: "step", text };
  }
  return null;
}

/** Differences from both sides and with other steps agree among themselves. */
function wrongRule({ elements, tolerance }: Evidence): GradcheckHint {
  const wrong = elements.filter(({ relativeError }) => !(relativeError <= tolerance));
  const ratios = wrong.map(({ analytic, numeric }) => analytic / numeric);
  const [first] = ratios;
  const isFactor = ratios.length > 1 && ratios.every((ratio) => Math.abs(ratio - first!) <= 1e-6 * Math.abs(first!));
  const which = elements.length ? ` (${wrong.length} of ${elements.length} elements are wrong)` : "";
  const factor = isFactor ? `; what it answers is ${Number(first!.toPrecision(6))} times what it should be` : "";
  return { cause: "rule", text: `the differences agree among themselves, so the pull-back is wrong${which}${factor}` };
}
