import t from "tap";
import * as z from "zod/mini";
import { ConfigError } from "../../src/tensor/errors.ts";
import { count, expectSchema, fraction, positive } from "../../src/tensor/expect-schema.ts";

const schema = z.strictObject({
  layers: count,
  dropout: z._default(fraction, 0),
  data: z.optional(z.object({ rates: z.array(positive) })),
});

t.test("a value that fits has its defaults filled in", async (t) => {
  t.strictSame(expectSchema(schema, { layers: 1 }, "settings"), { layers: 1, dropout: 0 });
  t.equal(expectSchema(count, 3, "a number"), 3);
});

t.test("the source and every field that does not fit are named, in English", async (t) => {
  const bad = { layers: 0, dropout: 1, data: { rates: [0.5, 0] }, other: 1 };
  t.throws(() => expectSchema(schema, bad, "run.json"), {
    name: "DataError",
    message:
      "run.json: layers: Too small: expected number to be >0; dropout: Too big: expected number to be <1; " +
      'data.rates.1: Too small: expected number to be >0; Unrecognized key: "other"',
  });
  t.throws(() => expectSchema(schema, null, "run.json", ConfigError), {
    name: "ConfigError",
    message: "run.json: Invalid input: expected object, received null",
  });
  t.throws(() => expectSchema(count, 1.5, "steps"), { message: "steps: Invalid input: expected int, received number" });
});
