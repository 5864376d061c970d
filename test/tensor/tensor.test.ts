import fc from "fast-check";
import ndarray from "ndarray";
import t from "tap";
import { checkDType, getBackend, registerBackend, setDefaultDevice } from "../../src/tensor/backend.ts";
import { createCpuBackend } from "../../src/tensor/backends/cpu/index.ts";
import {
  arange,
  eye,
  fromArray,
  fromNdarray,
  full,
  linspace,
  ones,
  randn,
  tensor,
  uniform,
  zeros,
} from "../../src/tensor/create.ts";
import { commonDType, dtypeOf, toTypedArray } from "../../src/tensor/dtype.ts";
import { DeviceError, DTypeError, ReleasedError, ShapeError, ViltgradError } from "../../src/tensor/errors.ts";
import { Rng } from "../../src/tensor/rng.ts";
import { scope } from "../../src/tensor/scope.ts";
import {
  broadcastAxes,
  broadcastShapes,
  broadcastStrides,
  checkShape,
  normalizeAxes,
  normalizeAxis,
  reducedShape,
  sameShape,
  sizeOf,
  stridesOf,
} from "../../src/tensor/shape.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";

registerBackend("cpu", createCpuBackend);
setDefaultDevice("cpu");

const values = (x: Tensor): number[] => Array.from(x.dataSync());

t.test("shapes: size, strides, equality", async (t) => {
  t.equal(sizeOf([2, 3, 4]), 24);
  t.equal(sizeOf([]), 1);
  t.equal(sizeOf([3, 0]), 0);
  t.strictSame(stridesOf([2, 3, 4]), [12, 4, 1]);
  t.strictSame(stridesOf([]), []);
  t.ok(sameShape([2, 3], [2, 3]));
  t.notOk(sameShape([2, 3], [2]));
  t.notOk(sameShape([2, 3], [3, 2]));
  for (const shape of [[-1], [1.5], [Number.NaN]]) t.throws(() => checkShape("zeros", shape), ShapeError);
});

t.test("broadcasting follows numpy's rule", async (t) => {
  t.strictSame(broadcastShapes("add", [2, 1, 3], [4, 1]), [2, 4, 3]);
  t.strictSame(broadcastShapes("add", [], [2]), [2]);
  t.strictSame(broadcastShapes("add", [0, 1], [1, 3]), [0, 3]);
  t.throws(() => broadcastShapes("add", [2, 3], [2, 4]), {
    name: "ShapeError",
    message: "add: axis 1 does not broadcast (3 against 4): [2, 3] and [2, 4]",
  });
  t.throws(() => broadcastShapes("add", [0], [2]), ShapeError, "0 against 2");
  t.strictSame(broadcastStrides([2, 1], [3, 2, 4]), [0, 1, 0]);
  t.strictSame(broadcastAxes([2, 1], [3, 2, 4]), [0, 2]);
  t.strictSame(broadcastAxes([1], [1]), [], "1 against 1 is no broadcast");
});

t.test("broadcasting commutes, and every result is reached by both operands", async () =>
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(4), fc.nat(2)), { maxLength: 5 }), fc.nat(5), (axes, cut) => {
      const a = axes.map(([n, which]) => (which === 1 ? 1 : n));
      const b = axes.map(([n, which]) => (which === 2 ? 1 : n)).slice(Math.min(cut, axes.length));
      const both = broadcastShapes("test", a, b);
      if (!sameShape(both, broadcastShapes("test", b, a))) throw new Error("it does not commute");
      if (!sameShape(both, broadcastShapes("test", both, a))) throw new Error("the result does not absorb an operand");
      const kept = both.filter((_, axis) => !broadcastAxes(b, both).includes(axis));
      if (sizeOf(kept) !== sizeOf(b)) throw new Error("the axes that remain are not those of the operand");
    }),
  ),
);

t.test("axes: negative, all, sorted, errors", async (t) => {
  t.equal(normalizeAxis("sum", -1, 3), 2);
  t.equal(normalizeAxis("sum", 0, 1), 0);
  for (const [axis, rank] of [
    [2, 2],
    [-3, 2],
    [0, 0],
    [0.5, 2],
  ])
    t.throws(() => normalizeAxis("sum", axis!, rank!), {
      message: `sum: axis ${axis} is out of range for ${rank} axes`,
    });
  t.strictSame(normalizeAxes("sum", undefined, 3), [0, 1, 2]);
  t.strictSame(normalizeAxes("sum", [-1, 0], 3), [0, 2]);
  t.strictSame(normalizeAxes("sum", -2, 3), [1]);
  t.throws(() => normalizeAxes("sum", [1, -1], 2), { message: /an axis is named twice in \[1, 1\]/ });
  t.strictSame(reducedShape([2, 3, 4], [0, 2], false), [3]);
  t.strictSame(reducedShape([2, 3, 4], [0, 2], true), [1, 3, 1]);
});

t.test("dtypes: recognised, converted by a copy, never mixed in silence", async (t) => {
  t.strictSame([new Float32Array(), new Float64Array(), new Int32Array()].map(dtypeOf), [
    "float32",
    "float64",
    "int32",
  ]);
  const source = Float32Array.of(1.5, -1.5);
  const copy = toTypedArray(source, "float32");
  copy[0] = 9;
  t.equal(source[0], 1.5);
  t.strictSame(toTypedArray(source, "int32"), Int32Array.of(1, -1));
  t.throws(() => commonDType("add", [{ dtype: "float32" }, { dtype: "int32" }]), {
    name: "DTypeError",
    message: "add: operands are float32 and int32; convert one with cast()",
  });
  const backend = { ...createCpuBackend(), name: "small", dtypes: ["float32"] as const };
  t.throws(() => checkDType("zeros", backend, "float64"), { message: /device small holds float32, not float64/ });
});

t.test("tensors from nested arrays, flat arrays and ndarrays", async (t) => {
  const x = tensor([
    [1, 2, 3],
    [4, 5, 6],
  ]);
  t.match(x, { shape: [2, 3], rank: 2, size: 6, dtype: "float32", device: "cpu", operation: "tensor" });
  t.strictSame(values(x), [1, 2, 3, 4, 5, 6]);
  t.strictSame(tensor(3).shape, []);
  t.strictSame(tensor([[], []]).shape, [2, 0]);
  t.equal(tensor([0.1], { dtype: "float64" }).item(), 0.1);
  t.throws(() => tensor([[1, 2], [3]]), { message: "tensor: rows differ in length at depth 1: 1 against 2" });
  t.throws(() => tensor([[1], 2]), { name: "ShapeError", message: /rows differ in depth/ });
  t.throws(() => tensor([1, [2]]), { message: /differ/ });

  t.equal(fromArray(Float64Array.of(0.1), [1]).dtype, "float64");
  t.equal(fromArray([0.1], [1]).dtype, "float32");
  t.strictSame(fromArray(Float64Array.of(1.7), [], { dtype: "int32" }).dataSync(), Int32Array.of(1));
  t.throws(() => fromArray([1, 2, 3], [2, 2]), { message: "fromArray: 3 values do not fill the shape: [2, 2]" });
  t.throws(() => fromArray([1], [1], { device: "abacus" }), { message: /no device "abacus"; there are cpu/ });
  t.throws(() => setDefaultDevice("abacus"), DeviceError);

  const strided = ndarray(Float64Array.of(0, 1, 2, 3, 4, 5), [2, 3])
    .transpose(1, 0)
    .step(-1, 1);
  t.strictSame(values(fromNdarray(strided)), [2, 5, 1, 4, 0, 3]);
  t.strictSame(values(fromNdarray(ndarray(Int32Array.of(7), []))), [7]);
  t.strictSame(fromNdarray(ndarray(new Float32Array(0), [0, 2])).shape, [0, 2]);
  const back = x.toNdarray();
  back.set(0, 0, 9);
  t.equal(back.get(1, 2), 6);
  t.equal(values(x)[0], 1, "a copy");
});

t.test("filled tensors", async (t) => {
  t.strictSame(values(full([2], -1.5)), [-1.5, -1.5]);
  t.strictSame(values(zeros([2, 0])), []);
  t.strictSame(ones([2], { dtype: "int32" }).dataSync(), Int32Array.of(1, 1));
  t.strictSame(values(arange(0, 3)), [0, 1, 2]);
  t.strictSame(values(arange(3, 0, -2)), [3, 1]);
  t.strictSame(values(arange(0, -1)), []);
  t.strictSame(values(arange(0, 1, 0.25)), [0, 0.25, 0.5, 0.75]);
  t.throws(() => arange(0, 1, 0), { message: /no finite range from 0 to 1 by 0/ });
  t.strictSame(values(linspace(1, 2, 5)), [1, 1.25, 1.5, 1.75, 2]);
  t.strictSame(values(linspace(1, 2, 1)), [1]);
  t.strictSame(values(eye(2, 3)), [1, 0, 0, 0, 1, 0]);
  t.throws(() => zeros([2, -1]), { name: "ShapeError", message: /zeros: .* not \[2, -1\]/ });
  t.throws(() => zeros([2]).item(), { message: "item: one element is needed, not 2: [2]" });
  t.strictSame(values(randn([3], new Rng(1), { mean: 2, std: 0 })), [2, 2, 2]);
  const drawn = values(uniform([500], new Rng(1), { low: -2, high: -1 }));
  t.ok(drawn.every((x) => x >= -2 && x < -1) && new Set(drawn).size > 490);
  t.strictSame(values(randn([4], new Rng(3))), values(randn([4], new Rng("3"))), "seeds are compared as text");
});

t.test("a scope gives back what it made, except results and what was kept", async (t) => {
  const outside = zeros([1]);
  const made: Record<string, Tensor> = {};
  const result = scope(() => {
    made.lost = zeros([2, 3]);
    made.kept = zeros([1]).keep();
    made.nested = zeros([1]);
    made.mapped = zeros([1]);
    made.member = zeros([1]);
    made.direct = zeros([1]);
    return [made.direct, { deep: [made.nested] }, new Map([["key", made.mapped]]), new Set([made.member])];
  });
  t.equal(result[0], made.direct);
  t.strictSame(
    Object.keys(made).filter((name) => made[name]!.isReleased),
    ["lost"],
  );
  t.notOk(outside.isReleased, "what is older stays");
  t.throws(() => made.lost!.dataSync(), {
    name: "ReleasedError",
    message: "the result of zeros ([2, 3]) was released by scope(); keep() it to read it later",
  });
  await t.rejects(made.lost!.data(), ReleasedError);
  t.ok(made.kept!.isKept);
});

t.test("scopes nest: a result belongs to the outer scope, which also cleans up after an error", async (t) => {
  let [inner, temporary] = [zeros([1]), zeros([1])];
  scope(() => {
    inner = scope(() => {
      temporary = ones([1]);
      return ones([1]);
    }, "the inner step");
    t.ok(temporary.isReleased);
    t.notOk(inner.isReleased);
  }, "the outer step");
  t.throws(() => inner.item(), { message: /released by the outer step/ });
  t.throws(() => temporary.item(), { message: /released by the inner step/ });

  const failure = new Error("stop");
  t.throws(
    () =>
      scope(() => {
        temporary = zeros([1]);
        throw failure;
      }),
    failure,
  );
  t.ok(temporary.isReleased);
  const free = zeros([1]);
  t.notOk(free.isReleased, "no scope is left open");
});

t.test("handles share memory until the last one lets go", async (t) => {
  const backend = getBackend("cpu");
  const x = tensor([1, 2, 3, 4]);
  const { storage } = x;
  const y = x.alias([2, 2], "reshape");
  t.equal(y.storage, storage);
  t.equal(storage.references, 2);
  x.release();
  x.release();
  t.throws(() => x.storage, { message: /tensor \(\[4\]\) was released by release\(\)/ });
  t.strictSame(values(y), [1, 2, 3, 4]);
  y.release();
  t.equal(storage.references, 0);
  t.equal(backend.readSync(storage).length, 0, "the device got it back");
  t.throws(() => x.alias(), ReleasedError);
  t.throws(() => y.toNdarray(), ReleasedError);
  t.ok(new DTypeError("x") instanceof ViltgradError && new DTypeError("x").name === "DTypeError");
});

t.test("Rng: state saves and restores mid-stream, through JSON", async (t) => {
  const rng = new Rng(5);
  rng.normal(); // leaves a spare
  const state = JSON.parse(JSON.stringify(rng.state));
  const draws = (source: Rng) => [source.normal(), source.normal(), source.uniform(), source.bits(), source.int(9)];
  const expected = draws(rng);
  t.strictSame(draws(Object.assign(new Rng("another"), { state })), expected);
  t.strictSame(draws(Object.assign(rng, { state })), expected, "also in the same stream");
  t.notSame(draws(rng), expected);
});

t.test("Rng: split depends on seed and name alone", async (t) => {
  const rng = new Rng(5);
  const before = rng.split("dropout").uniform();
  rng.uniform();
  t.equal(rng.split("dropout").uniform(), before);
  t.not(rng.split("masking").uniform(), before);
  t.not(new Rng(6).split("dropout").uniform(), before);
  const [untouched, touched] = [new Rng(5), new Rng(5)];
  touched.split("dropout").normal();
  t.equal(touched.uniform(), untouched.uniform(), "splitting draws nothing");
});

t.test("Rng: distributions have their moments, within four standard errors", async (t) => {
  const rng = new Rng("moments");
  const n = 20000;
  const meanOf = (draw: () => number) => Array.from({ length: n }, draw).reduce((a, b) => a + b) / n;
  const near = (mean: number, expected: number, deviation: number, name: string) =>
    t.ok(Math.abs(mean - expected) < (4 * deviation) / Math.sqrt(n), `${name}: ${mean} for ${expected}`);
  near(
    meanOf(() => rng.uniform(2, 4)),
    3,
    2 / Math.sqrt(12),
    "uniform",
  );
  near(
    meanOf(() => rng.normal(1, 2)),
    1,
    2,
    "normal",
  );
  near(
    meanOf(() => rng.normal() ** 2),
    1,
    Math.SQRT2,
    "normal, squared",
  );
  near(
    meanOf(() => rng.normal() ** 4),
    3,
    Math.sqrt(96),
    "normal, to the fourth",
  );
  near(
    meanOf(() => Number(rng.bernoulli(0.2))),
    0.2,
    0.4,
    "bernoulli",
  );
  near(
    meanOf(() => rng.int(5)),
    2,
    Math.SQRT2,
    "int",
  );
  near(
    meanOf(() => rng.bits() / 2 ** 32),
    0.5,
    1 / Math.sqrt(12),
    "bits",
  );
  near(
    meanOf(() => Number(rng.choice(["a", "b", "c"]) === "c")),
    1 / 3,
    Math.sqrt(2) / 3,
    "choice",
  );
  near(
    meanOf(() => rng.permutation(4).indexOf(0)),
    1.5,
    Math.sqrt(1.25),
    "place in a permutation",
  );
  t.ok(rng.bernoulli(1) && !rng.bernoulli(0));
  const items = ["a", "b", "c", "d"];
  t.strictSame([...rng.shuffle(items)].sort(), items);
  t.strictSame(items, ["a", "b", "c", "d"], "shuffle copies");
  t.strictSame(rng.permutation(0), []);
});
