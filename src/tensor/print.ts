import { type DType, isFloat, type TypedArray } from "./dtype.ts";
import { DeviceError, formatShape } from "./errors.ts";
import { type Shape, sizeOf, stridesOf } from "./shape.ts";
import type { Tensor } from "./tensor.ts";

/** Digits after the decimal point, as numpy's `precision`. */
const PRECISION = 8;
/** From more elements than this on, only the first and last `EDGE` of each axis are shown. */
const THRESHOLD = 1000;
const EDGE = 3;
const LINE_WIDTH = 75;

type CellFormat = (x: number) => string;

/**
 * Text of a row-major array, character by character what `numpy.array2string` gives with its default settings (numpy
 * 2.4): nested brackets, aligned columns, up to 8 digits after the point, scientific notation where magnitudes differ
 * by more than 1000, a summary beyond 1000 elements. An exact half in the last digit shown rounds away from 0 here.
 */
export function formatTensor(data: ArrayLike<number>, shape: Shape, dtype: DType): string {
  if (sizeOf(shape) === 0) return "[]";
  const strides = stridesOf(shape);
  const shown = shape.map((length) => shownPositions(length, sizeOf(shape) > THRESHOLD));
  const cells = shownCells(data, shown, strides);
  const format = isFloat(dtype) ? floatFormat(cells, dtype) : wholeFormat(cells);

  const render = (axis: number, offset: number): string => {
    if (axis === shape.length) return format(data[offset]);
    const indent = " ".repeat(axis + 1);
    const items = shown[axis].map((i) => (i === null ? "..." : render(axis + 1, offset + i * strides[axis])));
    const axesLeft = shape.length - axis;
    const body =
      axesLeft === 1
        ? wrapped(items, indent, LINE_WIDTH - axis - 1)
        : items.map((item) => indent + item).join("\n".repeat(axesLeft - 1));
    return `[${body.slice(indent.length)}]`;
  };
  return render(0, 0);
}

/** Positions along one axis; null stands for those left out. */
function shownPositions(length: number, isSummary: boolean): (number | null)[] {
  const all = Array.from({ length }, (_, i) => i);
  return isSummary && length > 2 * EDGE ? [...all.slice(0, EDGE), null, ...all.slice(-EDGE)] : all;
}

function shownCells(
  data: ArrayLike<number>,
  shown: readonly (number | null)[][],
  strides: readonly number[],
): number[] {
  let offsets = [0];
  for (const [axis, positions] of shown.entries()) {
    const steps = positions.filter((i) => i !== null).map((i) => i * strides[axis]);
    offsets = offsets.flatMap((offset) => steps.map((step) => offset + step));
  }
  return offsets.map((offset) => data[offset]);
}

/** Words separated by spaces in lines of at most `width` characters, each beginning with `indent`. */
function wrapped(words: readonly string[], indent: string, width: number): string {
  const lines: string[] = [];
  let line = indent;
  for (const word of words) {
    if (line.length > indent.length && line.length + word.length > width) {
      lines.push(line.trimEnd());
      line = indent;
    }
    line += `${word} `;
  }
  return [...lines, line.slice(0, -1)].join("\n");
}

function wholeFormat(cells: readonly number[]): CellFormat {
  const width = Math.max(...cells.map((x) => String(x).length));
  return (x) => String(x).padStart(width);
}

function floatFormat(cells: readonly number[], dtype: DType): CellFormat {
  const finite = cells.filter(Number.isFinite);
  const write = isScientific(finite, dtype) ? scientificFormat(finite, dtype) : positionalFormat(finite, dtype);
  const names = cells.filter((x) => !Number.isFinite(x)).map(nameOf);
  const width = Math.max(...finite.map((x) => write(x).length), ...names.map((name) => name.length));
  return (x) => (Number.isFinite(x) ? write(x) : nameOf(x)).padStart(width);
}

function nameOf(x: number): string {
  return Number.isNaN(x) ? "nan" : x < 0 ? "-inf" : "inf";
}

function isScientific(finite: readonly number[], dtype: DType): boolean {
  const sizes = finite.filter((x) => x !== 0).map(Math.abs);
  if (sizes.length === 0) return false;
  const largest = Math.max(...sizes);
  const smallest = Math.min(...sizes);
  return largest >= (dtype === "float32" ? 1e6 : 1e8) || smallest < 1e-4 || largest / smallest > 1000;
}

/** Columns meet at the point; trailing zeros become spaces. */
function positionalFormat(finite: readonly number[], dtype: DType): CellFormat {
  const parts = (x: number): [string, string] => {
    const short = shortest(Math.abs(x), dtype).toFixed(PRECISION);
    const digits = Number(short) === shortest(Math.abs(x), dtype) ? short : Math.abs(x).toFixed(PRECISION);
    const [whole, fraction] = digits.split(".");
    return [signOf(x) + whole, fraction.replace(/0+$/, "")];
  };
  const left = Math.max(...finite.map((x) => parts(x)[0].length));
  const right = Math.max(...finite.map((x) => parts(x)[1].length));
  return (x) => {
    const [whole, fraction] = parts(x);
    return `${whole.padStart(left)}.${fraction.padEnd(right)}`;
  };
}

/** As many digits after the point in all cells as the longest needs, and exponents of equal length. */
function scientificFormat(finite: readonly number[], dtype: DType): CellFormat {
  const needed = finite.map(
    (x) =>
      shortest(x, dtype)
        .toExponential()
        .replace(/^-?\d\.?|e.*/g, "").length,
  );
  const right = Math.min(PRECISION, Math.max(...needed));
  const parts = (x: number): string[] => Math.abs(x).toExponential(right).split("e");
  const digits = Math.max(2, ...finite.map((x) => parts(x)[1].length - 1));
  return (x) => {
    const [mantissa, exponent] = parts(x);
    const point = right === 0 ? "." : "";
    return `${signOf(x)}${mantissa}${point}e${exponent[0]}${exponent.slice(1).padStart(digits, "0")}`;
  };
}

function signOf(x: number): string {
  return x < 0 || Object.is(x, -0) ? "-" : "";
}

/** The number with the fewest decimal digits that still rounds to `x` in its dtype. */
function shortest(x: number, dtype: DType): number {
  if (dtype === "float64") return x;
  for (let digits = 1; digits < 9; digits++) {
    const candidate = Number(x.toPrecision(digits));
    if (Math.fround(candidate) === x) return candidate;
  }
  return Number(x.toPrecision(9));
}

/** What `print()` writes: the values as numpy shows them, and a line with shape, dtype and device. */
export function describeTensor(x: Tensor, data: ArrayLike<number> | null): string {
  const facts = `shape ${formatShape(x.shape)}, ${x.dtype} on ${x.device}`;
  return data ? `${formatTensor(data, x.shape, x.dtype)}\n${facts}` : `no values, only a shape\n${facts}`;
}

/**
 * Writes a tensor to the console: before it returns where the device can be read at once, else when the values come.
 *
 * @param write where to, instead of the console
 */
export async function print(x: Tensor, write: (text: string) => void = console.log): Promise<void> {
  if (x.device === "meta") return write(describeTensor(x, null));
  let data: TypedArray;
  try {
    data = x.dataSync();
  } catch (error) {
    if (!(error instanceof DeviceError)) throw error;
    data = await x.data(); // if it was another failure, it is the same again
  }
  write(describeTensor(x, data));
}
