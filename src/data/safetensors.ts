import { DataError, formatShape } from "../tensor/errors.ts";
import { sizeOf } from "../tensor/shape.ts";
import { findRepeatedKey } from "./json.ts";

export type SafetensorsDType = "F64" | "F32" | "F16" | "BF16" | "I64" | "I32" | "U8";
export type SafetensorsArray = Float64Array | Float32Array | Int32Array | Uint8Array;

/** One tensor of a file. Half precision becomes float32 and I64 becomes int32; `dtype` is the file's own. */
export interface SafetensorsEntry {
  readonly dtype: SafetensorsDType;
  readonly shape: readonly number[];
  readonly data: SafetensorsArray;
}

const WIDTH: Readonly<Record<SafetensorsDType, number>> = { F64: 8, I64: 8, F32: 4, I32: 4, F16: 2, BF16: 2, U8: 1 };
/** Of the reference implementation; keeps a hostile header from being parsed at length. */
const MAX_HEADER = 100_000_000;
const METADATA = "__metadata__";

/** Where a tensor stands in a file. */
export interface SafetensorsPlace {
  readonly dtype: SafetensorsDType;
  readonly shape: readonly number[];
  /** Positions in the data, which follow the header. */
  readonly begin: number;
  readonly end: number;
}

export interface SafetensorsHeader {
  readonly places: ReadonlyMap<string, SafetensorsPlace>;
  readonly metadata: ReadonlyMap<string, string>;
  /** Where the data begin in the file. */
  readonly start: number;
}

/**
 * Reads a safetensors container: 8 bytes of header length, a JSON header that maps names to {dtype, shape,
 * data_offsets}, then row-major little-endian data. Arrays are views of `bytes` where its alignment allows.
 *
 * @param fileName what errors name
 * @throws {DataError} for a file that is truncated or malformed in any way, naming the tensor
 */
export function parseSafetensors(bytes: Uint8Array, fileName: string): Map<string, SafetensorsEntry> {
  const { places, start } = parseSafetensorsHeader(bytes, bytes.length, fileName);
  return new Map(
    [...places].map(([name, { dtype, shape, begin, end }]) => {
      const data = decodeSafetensors(dtype, bytes.subarray(start + begin, start + end), `${fileName}: tensor ${name}`);
      return [name, { dtype, shape, data }];
    }),
  );
}

/** How many bytes of a file its header takes, from its first 8. @throws {DataError} when that cannot be */
export function safetensorsHeaderLength(bytes: Uint8Array, fileLength: number, fileName: string): number {
  const fail = (problem: string) => new DataError(`${fileName}: not a safetensors file: ${problem}`);
  if (fileLength < 8) throw fail(`${fileLength} bytes, a header length alone takes 8`);
  const length = new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0, true);
  if (length > BigInt(MAX_HEADER)) throw fail(`a header of ${length} bytes, at most ${MAX_HEADER} are read`);
  if (length > BigInt(fileLength - 8)) throw fail(`a header of ${length} bytes in a file of ${fileLength}`);
  return 8 + Number(length);
}

/**
 * Where everything stands in a file.
 *
 * @param bytes its beginning, with the whole header
 * @throws {DataError} for a header that is malformed in any way or does not fit the file's length, naming the tensor
 */
export function parseSafetensorsHeader(bytes: Uint8Array, fileLength: number, fileName: string): SafetensorsHeader {
  const fail = (problem: string) => new DataError(`${fileName}: not a safetensors file: ${problem}`);
  const start = safetensorsHeaderLength(bytes, fileLength, fileName);
  let text: string;
  let json: unknown;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes.subarray(8, start));
    json = JSON.parse(text);
  } catch (error) {
    throw fail(`the header is not JSON (${(error as Error).message})`);
  }
  if (!isRecord(json)) throw fail("the header is not a JSON object");
  const repeated = findRepeatedKey(text);
  if (repeated !== null) throw fail(`"${repeated}" occurs twice in the header`);
  const entries = new Map(Object.entries(json));
  if (entries.has("__proto__")) throw fail('a tensor is called "__proto__"');
  const metadata = entries.get(METADATA) ?? {};
  entries.delete(METADATA);
  if (!isRecord(metadata) || !Object.values(metadata).every((value) => typeof value === "string"))
    throw fail(`${METADATA} does not map names to strings`);
  const length = fileLength - start;
  const places = new Map([...entries].map(([name, entry]) => [name, readPlace(entry, name, length, fileName)]));
  checkCover(places, length, fileName);
  return { places, metadata: new Map(Object.entries(metadata as Record<string, string>)), start };
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

function readPlace(entry: unknown, name: string, length: number, fileName: string): SafetensorsPlace {
  const fail = (problem: string) => new DataError(`${fileName}: tensor ${name}: ${problem}`);
  if (!isRecord(entry)) throw fail("its entry in the header is not an object");
  const { dtype, shape, data_offsets: offsets, ...rest } = entry;
  const [extra] = Object.keys(rest);
  if (extra !== undefined) throw fail(`unknown field "${extra}" in the header`);
  if (typeof dtype !== "string" || !Object.hasOwn(WIDTH, dtype))
    throw fail(`dtype ${JSON.stringify(dtype)}; known are ${Object.keys(WIDTH).join(", ")}`);
  if (!Array.isArray(shape) || !shape.every(isCount))
    throw fail(`shape ${JSON.stringify(shape)} is not a list of lengths`);
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isCount))
    throw fail(`data_offsets ${JSON.stringify(offsets)} are not two positions`);
  const [begin, end] = offsets as [number, number];
  if (begin > end || end > length)
    throw fail(`bytes ${begin} to ${end} of ${length} bytes of data; is the file truncated?`);
  const known = dtype as SafetensorsDType;
  const needed = sizeOf(shape) * WIDTH[known];
  if (needed !== end - begin)
    throw fail(`${known} of shape ${formatShape(shape)} takes ${needed} bytes, its data_offsets hold ${end - begin}`);
  return { dtype: known, shape: shape as number[], begin, end };
}

/** Each byte of the data belongs to one tensor, as the reference implementation demands. */
function checkCover(places: ReadonlyMap<string, SafetensorsPlace>, length: number, fileName: string): void {
  let position = 0;
  const ordered = [...places].sort(([, a], [, b]) => a.begin - b.begin || a.end - b.end);
  for (const [name, { begin, end }] of ordered) {
    if (begin < position) throw new DataError(`${fileName}: tensor ${name}: overlaps another from byte ${begin} on`);
    if (begin > position) throw new DataError(`${fileName}: bytes ${position} to ${begin} belong to no tensor`);
    position = end;
  }
  if (position !== length) throw new DataError(`${fileName}: bytes ${position} to ${length} belong to no tensor`);
}

/** The values of a tensor's bytes; a view of them where their alignment allows. @param label what errors name */
export function decodeSafetensors(dtype: SafetensorsDType, bytes: Uint8Array, label: string): SafetensorsArray {
  if (dtype === "U8") return bytes;
  // Not `slice()`: that of Node's Buffer is no copy.
  const { buffer, byteOffset } = bytes.byteOffset % WIDTH[dtype] === 0 ? bytes : new Uint8Array(bytes);
  const count = bytes.length / WIDTH[dtype];
  switch (dtype) {
    case "F64":
      return new Float64Array(buffer, byteOffset, count);
    case "F32":
      return new Float32Array(buffer, byteOffset, count);
    case "I32":
      return new Int32Array(buffer, byteOffset, count);
    case "I64":
      return Int32Array.from(new BigInt64Array(buffer, byteOffset, count), (value) => {
        if (BigInt.asIntN(32, value) !== value) throw new DataError(`${label}: ${value} does not fit 32 bits`);
        return Number(value);
      });
    case "F16":
      return Float32Array.from(new Uint16Array(buffer, byteOffset, count), halfToNumber);
    case "BF16": {
      const wide = Uint32Array.from(new Uint16Array(buffer, byteOffset, count), (bits) => bits << 16);
      return new Float32Array(wide.buffer);
    }
  }
}

/** IEEE 754 binary16. */
function halfToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

const ARRAY_DTYPES = { Float64Array: "F64", Float32Array: "F32", Int32Array: "I32", Uint8Array: "U8" } as const;

/** The dtype that values are written as. */
export function safetensorsDTypeOf(data: SafetensorsArray): SafetensorsDType {
  return ARRAY_DTYPES[data.constructor.name as keyof typeof ARRAY_DTYPES];
}

/** A tensor to write; `data` is read when its turn comes. */
export interface SafetensorsSource {
  readonly dtype: SafetensorsDType;
  readonly shape: readonly number[];
  readonly data: SafetensorsArray;
}

/**
 * The bytes of a safetensors container, part by part; wide elements come first, so that every tensor is aligned.
 *
 * @throws {DataError} when values do not fill their shape, or a name is reserved
 */
export function* safetensorsParts(
  tensors: ReadonlyMap<string, SafetensorsSource>,
  metadata: Readonly<Record<string, string>> = {},
): Generator<Uint8Array> {
  const ordered = [...tensors].sort(([, a], [, b]) => WIDTH[b.dtype] - WIDTH[a.dtype]);
  let length = 0;
  const entries = ordered.map(([name, { dtype, shape }]) => {
    if (name === METADATA || name === "__proto__")
      throw new DataError(`safetensors: a tensor cannot be called ${name}`);
    const begin = length;
    length += sizeOf(shape) * WIDTH[dtype];
    return [name, { dtype, shape, data_offsets: [begin, length] }] as const;
  });
  const withMetadata = Object.keys(metadata).length ? [[METADATA, metadata] as const, ...entries] : entries;
  const json = new TextEncoder().encode(JSON.stringify(Object.fromEntries<unknown>(withMetadata)));
  const start = Math.ceil((8 + json.length) / 8) * 8;
  const head = new Uint8Array(start).fill(0x20, 8);
  new DataView(head.buffer).setBigUint64(0, BigInt(start - 8), true);
  head.set(json, 8);
  yield head;
  for (const [name, { shape, data }] of ordered) {
    if (sizeOf(shape) !== data.length)
      throw new DataError(`safetensors: tensor ${name}: ${data.length} values do not fill ${formatShape(shape)}`);
    yield new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  }
}

/** The same as one array. */
export function serializeSafetensors(
  tensors: ReadonlyMap<string, { readonly shape: readonly number[]; readonly data: SafetensorsArray }>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array {
  const sources = [...tensors].map(
    ([name, { shape, data }]) => [name, { dtype: safetensorsDTypeOf(data), shape, data }] as const,
  );
  const parts = [...safetensorsParts(new Map(sources), metadata)];
  const bytes = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let position = 0;
  for (const part of parts) {
    bytes.set(part, position);
    position += part.length;
  }
  return bytes;
}
