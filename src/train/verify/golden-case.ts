import * as z from "zod/mini";
import type { SafetensorsEntry } from "../../data/safetensors.ts";
import { fromArray, type Placement } from "../../tensor/create.ts";
import { allocateArray, type DType } from "../../tensor/dtype.ts";
import { DataError } from "../../tensor/errors.ts";
import { expectSchema } from "../../tensor/expect-schema.ts";
import type { Tensor } from "../../tensor/tensor.ts";

/** How far a value may be from the recorded one: |actual − expected| ≤ atol + rtol · |expected|. */
export interface Tolerance {
  readonly atol: number;
  readonly rtol: number;
}

/** The device and the precision under test. */
export interface UnderTest {
  readonly device: string;
  readonly dtype: Exclude<DType, "int32">;
}

const metadataSchema = z.looseObject({
  kind: z.string(),
  case: z.optional(z.string()),
  file: z.optional(z.string()),
  /** By name; some cases say the one word "exact". */
  tolerances: z._default(z.union([z.record(z.string(), z.unknown()), z.string()]), {}),
});
const toleranceSchema = z.object({ atol: z._default(z.number(), 0), rtol: z._default(z.number(), 0) });

export type GoldenMetadata = z.output<typeof metadataSchema>;

/** A recorded case: what went into a reference implementation and what came out of it. */
export class GoldenCase {
  constructor(
    readonly name: string,
    readonly metadata: GoldenMetadata,
    readonly tensors: ReadonlyMap<string, SafetensorsEntry>,
  ) {}

  /** @throws {DataError} when the case does not record it */
  entry(name: string): SafetensorsEntry {
    const entry = this.tensors.get(name);
    if (!entry) throw new DataError(`${this.name}: no tensor ${name}`);
    return entry;
  }

  /** Recorded values as a tensor; floats take the dtype under test. */
  tensor(name: string, { dtype, device }: Placement): Tensor {
    const { shape, data } = this.entry(name);
    const values = data instanceof Int32Array ? data : allocateArray(dtype ?? "float32", data.length);
    if (values !== data) values.set(data);
    return fromArray(values, shape, { device });
  }

  /** The same case with its float64 values rounded to what float32 can hold. */
  rounded(): GoldenCase {
    const round = (entry: SafetensorsEntry): SafetensorsEntry =>
      entry.data instanceof Float64Array ? { ...entry, data: Float64Array.from(entry.data, Math.fround) } : entry;
    const tensors = new Map([...this.tensors].map(([name, entry]) => [name, round(entry)]));
    return new GoldenCase(this.name, this.metadata, tensors);
  }

  /** @throws {DataError} when it holds anything else than int32 */
  integers(name: string): Int32Array {
    const { data } = this.entry(name);
    if (!(data instanceof Int32Array)) throw new DataError(`${this.name}: ${name} does not hold integers`);
    return data;
  }

  /** The tolerance that the case states under the first of these keys, or the default. */
  tolerance(keys: readonly string[], otherwise: Tolerance): Tolerance {
    const { tolerances } = this.metadata;
    if (typeof tolerances === "string") return otherwise;
    for (const key of keys) {
      const stated = toleranceSchema.safeParse(tolerances[key]);
      if (stated.success) return stated.data;
    }
    return otherwise;
  }

  /** Metadata of a known form. @throws {DataError} that names the case and the fields */
  read<S extends z.ZodMiniType>(schema: S): z.output<S> {
    return expectSchema(schema, this.metadata, this.name);
  }
}

/**
 * A case from its files; null for a JSON file that states no `kind`.
 *
 * @param tensors reads the safetensors file that the JSON names, or that has the case's name; null where there is none
 * @throws {DataError} for a case that is not well formed
 */
export function parseCase(
  name: string,
  json: unknown,
  tensors: (stated: string | undefined) => ReadonlyMap<string, SafetensorsEntry>,
): GoldenCase | null {
  if (typeof json !== "object" || json === null || !("kind" in json)) return null;
  const metadata = expectSchema(metadataSchema, json, `${name}.json`);
  return new GoldenCase(name, metadata, tensors(metadata.file));
}
