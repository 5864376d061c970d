import fc from "fast-check";
import t from "tap";
import { parseSafetensors, parseSafetensorsHeader, serializeSafetensors } from "../../src/data/safetensors.ts";
import { DataError } from "../../src/tensor/errors.ts";

/** A container of any header text and data. */
function container(header: unknown, data: ArrayLike<number> = []): Uint8Array {
  const text = new TextEncoder().encode(typeof header === "string" ? header : JSON.stringify(header));
  const bytes = new Uint8Array(8 + text.length + data.length);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(text.length), true);
  bytes.set(text, 8);
  bytes.set(data, 8 + text.length);
  return bytes;
}
const entry = (dtype: string, shape: unknown, ...data_offsets: unknown[]) => ({ dtype, shape, data_offsets });

t.test("what is written is read again, whatever the order and alignment", async () => {
  const array = fc.oneof(
    fc.float32Array({ maxLength: 5 }),
    fc.float64Array({ maxLength: 5 }),
    fc.int32Array({ maxLength: 5 }),
    fc.uint8Array({ maxLength: 5 }),
  );
  const name = fc.string({ minLength: 1 }).filter((name) => !name.startsWith("__"));
  fc.assert(
    fc.property(fc.dictionary(name, array), fc.nat(7), (tensors, shift) => {
      const given = new Map(Object.entries(tensors).map(([name, data]) => [name, { shape: [data.length], data }]));
      const bytes = serializeSafetensors(given, { made: "here" });
      const shifted = new Uint8Array(bytes.length + shift).subarray(shift);
      shifted.set(bytes);
      const read = parseSafetensors(shifted, "a");
      const plain = ({ shape, data }: { shape: readonly number[]; data: ArrayLike<number> }) => [
        [...shape],
        Array.from(data),
      ];
      const sorted = (map: ReadonlyMap<string, Parameters<typeof plain>[0]>) =>
        [...map].map(([name, value]) => [name, ...plain(value)]).sort();
      t.same(sorted(read), sorted(given));
      t.equal(parseSafetensorsHeader(bytes, bytes.length, "a").metadata.get("made"), "here");
    }),
    { numRuns: 100 },
  );
});

t.test("a Buffer, as readFileSync answers, need not be aligned either", async (t) => {
  const file = container({ w: entry("F32", [2], 0, 8) }, [0, 0, 128, 63, 0, 0, 0, 192]);
  for (let shift = 0; shift < 4; shift++) {
    const buffer = Buffer.concat([Buffer.alloc(shift), file]).subarray(shift);
    t.same([...parseSafetensors(buffer, "b").get("w")!.data], [1, -2]);
  }
});

t.test("half precision and 64-bit integers are widened or narrowed exactly", async (t) => {
  const halves = [0x3c00, 0xc000, 0x3555, 0x0001, 0x7c00, 0xfe00, 0x8000];
  const bytes = (values: number[]) => values.flatMap((value) => [value & 255, value >> 8]);
  const file = container({ h: entry("F16", [7], 0, 14), b: entry("BF16", [2], 14, 18), i: entry("I64", [1], 18, 26) }, [
    ...bytes(halves),
    ...bytes([0x3f80, 0xc049]),
    ...[254, 255, 255, 255, 255, 255, 255, 255],
  ]);
  const read = parseSafetensors(file, "h");
  const expected = [1, -2, 0.333251953125, 2 ** -24, Number.POSITIVE_INFINITY, Number.NaN, -0];
  t.ok(expected.every((value, i) => Object.is(read.get("h")!.data[i], value)));
  t.same([...read.get("b")!.data], [1, -3.140625]);
  t.same([...read.get("i")!.data], [-2]);
  const wide = container({ i: entry("I64", [1], 0, 8) }, [0, 0, 0, 0, 1, 0, 0, 0]);
  t.throws(() => parseSafetensors(wide, "w"), { message: "w: tensor i: 4294967296 does not fit 32 bits" });
});

t.test("every malformed file is refused by name", async (t) => {
  const four = [0, 0, 0, 0];
  const long = container({});
  new DataView(long.buffer).setBigUint64(0, 1000n, true);
  const absurd = container({});
  new DataView(absurd.buffer).setBigUint64(0, 2n ** 63n, true);
  const bad: [Uint8Array, RegExp][] = [
    [new Uint8Array(3), /3 bytes, a header length alone takes 8/],
    [long, /a header of 1000 bytes in a file of 10/],
    [absurd, /a header of 9223372036854775808 bytes, at most/],
    [container("{"), /the header is not JSON/],
    [container([]), /the header is not a JSON object/],
    [container('{"__metadata__":{"a":1}}'), /__metadata__ does not map names to strings/],
    [container('{"a":{},"a":{}}'), /"a" occurs twice/],
    [container('{"a":{"dtype":"F32","dtype":"I32"}}'), /"dtype" occurs twice/],
    [container('{"\\u0061":{},"a":{}}'), /"a" occurs twice/],
    [container('{"__proto__":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}', four), /"__proto__"/],
    [container({ a: 5 }), /tensor a: its entry in the header is not an object/],
    [container({ a: { ...entry("F32", [1], 0, 4), more: 1 } }, four), /tensor a: unknown field "more"/],
    [container({ a: entry("C64", [1], 0, 8) }, [...four, ...four]), /tensor a: dtype "C64"; known are F64/],
    [container({ a: entry("toString", [1], 0, 4) }, four), /tensor a: dtype "toString"/],
    [container({ a: entry("F32", [-1], 0, 4) }, four), /tensor a: shape \[-1\]/],
    [container({ a: entry("F32", "1", 0, 4) }, four), /tensor a: shape "1"/],
    [container({ a: entry("F32", [1], 0) }, four), /tensor a: data_offsets \[0\]/],
    [container({ a: entry("F32", [1], 4, 0) }, four), /tensor a: bytes 4 to 0 of 4/],
    [
      container({ a: entry("F32", [2], 0, 8) }, four),
      /tensor a: bytes 0 to 8 of 4 bytes of data; is the file truncated/,
    ],
    [
      container({ a: entry("F32", [2], 0, 4) }, four),
      /tensor a: F32 of shape \[2\] takes 8 bytes, its data_offsets hold 4/,
    ],
    [container({ a: entry("F32", [2 ** 40, 2 ** 40], 0, 4) }, four), /tensor a: F32 of shape/],
    [
      container({ a: entry("U8", [3], 0, 3), b: entry("U8", [2], 2, 4) }, four),
      /tensor b: overlaps another from byte 2/,
    ],
    [container({ a: entry("U8", [1], 0, 1), b: entry("U8", [2], 2, 4) }, four), /bytes 1 to 2 belong to no tensor/],
    [container({ a: entry("U8", [3], 0, 3) }, four), /bytes 3 to 4 belong to no tensor/],
  ];
  for (const [bytes, message] of bad)
    t.throws(() => parseSafetensors(bytes, "f.safetensors"), { name: "DataError", message });
  for (const [bytes] of bad) t.throws(() => parseSafetensors(bytes, "f.safetensors"), { message: /^f\.safetensors: / });
});

t.test("writing refuses values that do not fill their shape, and reserved names", async (t) => {
  const data = new Float32Array(3);
  t.throws(() => serializeSafetensors(new Map([["a", { shape: [2], data }]])), {
    message: /tensor a: 3 values do not fill \[2\]/,
  });
  t.throws(() => serializeSafetensors(new Map([["__metadata__", { shape: [3], data }]])), {
    message: /cannot be called/,
  });
});

t.test("a damaged file is read or refused, never anything else", async () => {
  const whole = serializeSafetensors(
    new Map([
      ["weight", { shape: [2, 2], data: Float32Array.of(1, 2, 3, 4) }],
      ["ids", { shape: [3], data: Int32Array.of(5, 6, 7) }],
    ]),
    { step: "7" },
  );
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { maxLength: 3 }),
      fc.nat(20),
      (flips, cut) => {
        const bytes = whole.slice(0, whole.length - cut);
        for (const [at, value] of flips) if (at < bytes.length) bytes[at] = value;
        try {
          for (const { shape, data } of parseSafetensors(bytes, "damaged").values())
            if (shape.reduce((a, b) => a * b, 1) !== data.length) throw new Error("a shape that its data do not fill");
        } catch (error) {
          if (!(error instanceof DataError)) throw error;
        }
      },
    ),
    { numRuns: 3000 },
  );
});
