import fc from "fast-check";
import { type Backend, getBackend } from "../../src/tensor/backend.ts";
import { type DType, type TypedArray, toTypedArray } from "../../src/tensor/dtype.ts";
import type { Attributes, KernelName, TensorMeta } from "../../src/tensor/kernels.ts";
import { sizeOf } from "../../src/tensor/shape.ts";

/** An operand before it is on any device. */
export interface Sample extends TensorMeta {
  readonly values: readonly number[];
}

/** One call of a kernel. */
export interface Case<K extends KernelName> {
  readonly kernel: K;
  readonly inputs: readonly Sample[];
  readonly out: TensorMeta;
  readonly attributes: Attributes<K>;
}

/** |actual − expected| ≤ absolute + relative · |expected|; NaN only equals NaN, an infinity only itself. */
export interface Tolerance {
  readonly relative?: number;
  readonly absolute?: number;
}

/** Runs a case on a device, in float64 instead of float32 when `precise`; answers the output, then the inputs afterwards. */
export function runOn<K extends KernelName>(device: string, call: Case<K>, precise = false): TypedArray[] {
  const { backend, storages, release } = launch(device, call, precise);
  const results = storages.map((storage) => backend.readSync(storage));
  release();
  return results;
}

/** The same on a device that answers later. */
export async function runLater<K extends KernelName>(device: string, call: Case<K>): Promise<TypedArray[]> {
  const { backend, storages, release } = launch(device, call, false);
  const results = await Promise.all(storages.map((storage) => backend.read(storage)));
  release();
  return results;
}

function launch<K extends KernelName>(device: string, call: Case<K>, precise: boolean) {
  const backend = getBackend(device);
  const dtypeOf = (dtype: DType): DType => (precise && dtype === "float32" ? "float64" : dtype);
  // The same sample twice is one storage twice.
  const uploads = new Map(call.inputs.map((sample) => [sample, upload(backend, sample, dtypeOf(sample.dtype))]));
  const operands = call.inputs.map((sample) => {
    const storage = uploads.get(sample)!;
    return { shape: sample.shape, dtype: storage.dtype, storage };
  });
  const dtype = dtypeOf(call.out.dtype);
  const out = backend.allocate(dtype, sizeOf(call.out.shape));
  backend.run(call.kernel, operands, { shape: call.out.shape, dtype, storage: out }, call.attributes);
  const storages = [out, ...operands.map(({ storage }) => storage)];
  const release = () => {
    for (const used of [out, ...uploads.values()]) backend.release(used);
  };
  return { backend, storages, release };
}

function upload(backend: Backend, { values, dtype }: Sample, as: DType) {
  // What the device is given is what the reference is given: rounded to float32 first.
  return backend.upload(toTypedArray(toTypedArray(values, dtype), as), as);
}

/** Beyond this, less half a unit in the last place, float32 overflows. */
const LARGEST = 3.4028e38;

/** The first cell that differs by more than the tolerance, as text; null when there is none. */
export function difference(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  tolerance: Tolerance,
): string | null {
  const { relative = 0, absolute = 0 } = tolerance;
  if (actual.length !== expected.length) return `${actual.length} cells instead of ${expected.length}`;
  for (let i = 0; i < expected.length; i++) {
    const [a, e] = [actual[i]!, expected[i]!];
    if (a === e || (Number.isNaN(a) && Number.isNaN(e))) continue;
    if (Math.abs(e) > LARGEST && a === Math.sign(e) * Infinity) continue;
    if (!(Math.abs(a - e) <= absolute + relative * Math.abs(e))) return `cell ${i} is ${a}, not ${e}`;
  }
  return null;
}

/** Throws unless the device's result equals `expected`, or that of `cpu` in float64. */
export function check<K extends KernelName>(
  device: string,
  call: Case<K>,
  tolerance: Tolerance,
  expected: ArrayLike<number> = runOn("cpu", call, true)[0]!,
): void {
  const found = difference(runOn(device, call)[0]!, expected, tolerance);
  if (found === null) return;
  const shapes = call.inputs.map(({ shape, dtype }) => `${dtype} [${shape.join(", ")}]`).join(", ");
  throw new Error(`${call.kernel}(${shapes}) ${JSON.stringify(call.attributes)} on ${device}: ${found}`);
}

const SPECIAL = [0, -0, 1, -1, Number.NaN, Infinity, -Infinity, 1e-40, 3e38, 0.5];

/** Ordinary numbers, with ties; `special` adds signed zeros, NaN, infinities, denormal and huge numbers. */
export const ordinary: fc.Arbitrary<number> = fc.oneof(
  fc.double({ min: -3, max: 3, noNaN: true }),
  fc.constantFrom(-1, 0.25, 0, 2),
);
export const special: fc.Arbitrary<number> = fc.oneof(
  { weight: 2, arbitrary: ordinary },
  { weight: 1, arbitrary: fc.constantFrom(...SPECIAL) },
  { weight: 1, arbitrary: fc.double({ min: -200, max: 200, noNaN: true }) },
);
const whole = fc.integer({ min: -5, max: 5 });

/** Lengths around the width of vectors and tiles, and none at all. */
export const length: fc.Arbitrary<number> = fc.constantFrom(1, 2, 3, 4, 5, 7, 8, 9, 13, 17, 33);
export const lengthOrNone: fc.Arbitrary<number> = fc.oneof(
  { weight: 12, arbitrary: length },
  { weight: 1, arbitrary: fc.constant(0) },
);

export function shape(minRank = 0, maxRank = 4, axis = lengthOrNone): fc.Arbitrary<number[]> {
  return fc.array(axis, { minLength: minRank, maxLength: maxRank }).filter((it) => sizeOf(it) <= 20_000);
}

/** An operand of that shape; long ones repeat a drawn stretch of values. */
export function sample(of: readonly number[], cell = ordinary, dtype: DType = "float32"): fc.Arbitrary<Sample> {
  const size = sizeOf(of);
  const drawn = Math.min(size, 61); // no multiple of a vector or a row
  return fc
    .array(dtype === "int32" ? whole : cell, { minLength: drawn, maxLength: drawn })
    .map((values) => ({ shape: of, dtype, values: Array.from({ length: size }, (_, i) => values[i % drawn]!) }));
}

/** Integers of 0 to count − 1. */
export function indices(of: readonly number[], count: number): fc.Arbitrary<Sample> {
  const size = sizeOf(of);
  return fc
    .array(fc.nat(count - 1), { minLength: size, maxLength: size })
    .map((values) => ({ shape: of, dtype: "int32" as const, values }));
}

/** Checks drawn cases; fixed seed, so that a failure comes back. Fails with the message of the smallest case alone. */
export function forAll<T>(arbitrary: fc.Arbitrary<T>, property: (value: T) => void, numRuns = 60): void {
  const details = fc.check(fc.property(arbitrary, property), { numRuns, seed: 20260722 });
  if (details.failed) throw details.errorInstance ?? new Error("no case could be drawn");
}
