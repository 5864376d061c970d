import * as z from "zod/mini";
import english from "zod/v4/locales/en.js";
import { DataError, type ViltgradError } from "./errors.ts";

z.config(english());

/** How many: 1 and more. */
export const count = z.int().check(z.positive());
export const positive = z.number().check(z.positive());
/** A part of what is there, but not all. */
export const fraction = z.number().check(z.minimum(0), z.lt(1));

/**
 * A value from outside, as a schema reads it: of a known form, with the defaults filled in.
 *
 * @param source where the value comes from, for the message
 * @param Problem what is thrown
 * @throws {DataError} or the error that was asked for, naming `source` and every field that does not fit
 */
export function expectSchema<Schema extends z.ZodMiniType>(
  schema: Schema,
  value: unknown,
  source: string,
  Problem: new (message: string) => ViltgradError = DataError,
): z.output<Schema> {
  const { data, error } = schema.safeParse(value);
  if (!error) return data;
  const problems = error.issues.map(({ path, message }) =>
    path.length > 0 ? `${path.join(".")}: ${message}` : message,
  );
  throw new Problem(`${source}: ${problems.join("; ")}`);
}
