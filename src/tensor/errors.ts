/** Every error of the library derives from this one, so that a program can tell ours from the platform's. */
export class ViltgradError extends Error {
  override get name(): string {
    return this.constructor.name;
  }
}

/** Anything that has a shape: a tensor, a view, a plain description. */
export interface Shaped {
  readonly shape: readonly number[];
}

/** `[2, 3]`, as all messages print shapes. */
export function formatShape(shape: readonly number[]): string {
  return `[${shape.join(", ")}]`;
}

/** Operands of an operation do not fit together, or an axis is out of range. */
export class ShapeError extends ViltgradError {
  /** @param operands what to name at the end of the message, in order; plain strings are added as hints */
  constructor(operation: string, problem: string, ...operands: readonly (Shaped | string)[]) {
    const shapes = operands.filter((operand): operand is Shaped => typeof operand !== "string");
    const hints = operands.filter((operand) => typeof operand === "string");
    const listed = shapes.map(({ shape }) => formatShape(shape)).join(" and ");
    super(`${operation}: ${problem}${listed ? `: ${listed}` : ""}${hints.length ? `; ${hints.join("; ")}` : ""}`);
  }
}

/** A dtype that an operation or a device does not take. */
export class DTypeError extends ViltgradError {}

/** A device that does not exist here, mixed devices, or a device out of memory. */
export class DeviceError extends ViltgradError {}

/** A configuration that cannot be built. */
export class ConfigError extends ViltgradError {}

/** A file, a line or a record that cannot be used; the message names it and says what was expected. */
export class DataError extends ViltgradError {}

/** Reading a tensor whose memory was given back. */
export class ReleasedError extends ViltgradError {}

/** A derivative that is not defined, or a graph that is no longer there. */
export class GradientError extends ViltgradError {}

/** A value that is NaN or infinite, found by `anomaly()`. */
export class AnomalyError extends ViltgradError {}
