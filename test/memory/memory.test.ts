import t from "tap";
import { add } from "../../src/autograd/ops/arithmetic.ts";
import { getBackend } from "../../src/tensor/backend.ts";
import { full, ones, randn, zeros } from "../../src/tensor/create.ts";
import { loadGpu } from "../../src/tensor/devices.ts";
import { type MemoryReport, memory } from "../../src/tensor/memory.ts";
import { Rng } from "../../src/tensor/rng.ts";
import { scope } from "../../src/tensor/scope.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { values } from "../support.ts";
import { collect, nextTask } from "./support.ts";

const groupOf = ({ groups }: MemoryReport, operation: string, shape: string) =>
  groups.find((group) => group.operation === operation && group.shape.join("×") === shape);

t.test("memory() names no limit of a device that does not know its own", async (t) => {
  await loadGpu();
  const held = zeros([3], { device: "gpu" });
  t.match(String(memory()), /gpu.*: .* in use, .* reserved, .* moved/);
  held.release();
});

t.test("memory() lists what is alive by operation and shape", async (t) => {
  t.equal(groupOf(memory(), "zeros", "7×11"), undefined);
  const made = Array.from({ length: 3 }, () => zeros([7, 11]));
  const sum = add(made[0]!, made[1]!);
  const report = memory();
  t.match(groupOf(report, "zeros", "7×11"), {
    ...{ device: "wasm", dtype: "float32", count: 3, bytes: 3 * 77 * 4, site: null },
  });
  t.equal(groupOf(report, "add", "7×11")!.count, 1);
  t.equal(
    report.count,
    report.groups.reduce((count, group) => count + group.count, 0),
  );
  t.ok(report.devices.wasm!.used >= report.bytes && report.devices.wasm!.maximum > 2 ** 28);
  t.match(String(report), /wasm +zeros +\[7, 11\] +float32 +× 3 +924 B/);
  t.match(String(report), /wasm: .* in use, .* reserved of at most/);
  const alias = made[0]!.alias([77], "reshape");
  t.equal(memory().count, report.count, "another handle holds nothing more");
  made[0]!.release();
  t.equal(groupOf(memory(), "zeros", "7×11")!.count, 3, "and holds it alone then");
  for (const x of [...made, alias, sum]) x.release();
  t.equal(groupOf(memory(), "zeros", "7×11"), undefined);
  const aside = scope(() => {
    zeros([7, 11]);
    return groupOf(memory(), "zeros", "7×11")!.count;
  });
  t.equal(aside, 1);
  t.equal(groupOf(memory(), "zeros", "7×11"), undefined, "a scope gave it back");
});

t.test("memory.trace: the line that made it, on the heap too", async (t) => {
  const before = ones([5, 9], { device: "cpu" });
  memory.trace(true);
  t.teardown(() => memory.trace(false));
  const make = () => ones([5, 9], { device: "cpu" });
  const [first, second] = [make(), make()];
  const onDevice = full([5, 9], 2);
  memory.trace(false);
  const untraced = ones([5, 9], { device: "cpu" });
  const group = groupOf(memory(), "ones", "5×9")!;
  t.equal(group.count, 2, "what was made before and after has no books");
  t.equal(group.device, "cpu");
  t.match(group.site, /test\/memory\/memory\.test\.ts:\d+:\d+$/);
  t.match(groupOf(memory(), "full", "5×9")!.site, /memory\.test\.ts/);
  for (const x of [before, first, second, untraced, onDevice]) x.release();
  t.equal(groupOf(memory(), "ones", "5×9"), undefined);
  memory.trace(true);
  ones([5, 9], { device: "cpu" });
  memory.trace(false);
  t.equal(groupOf(memory(), "ones", "5×9")!.count, 1);
  await nextTask(); // what runs now may still see it
  collect();
  await nextTask();
  t.equal(groupOf(memory(), "ones", "5×9"), undefined, "collected");
});

t.test("tensors that nobody holds give their memory back when they are collected", async (t) => {
  const before = memory().devices.wasm!.used;
  const make = () => {
    for (let i = 0; i < 500; i++) zeros([1000]);
  };
  make();
  const held = zeros([1000]);
  t.ok(memory().devices.wasm!.used > before + 500 * 4000);
  await nextTask();
  collect();
  await nextTask();
  t.ok(memory().devices.wasm!.used < before + 256 * 4096, "all but the youngest");
  t.same(values(held).slice(0, 2), [0, 0], "what is held stays");
});

t.test("what piles up moves to the heap, and comes back when it is used", async (t) => {
  const first = randn([1000], new Rng(1));
  const [x, y, kept] = [first, first.alias(), randn([1000], new Rng(2)).keep()];
  const [expected, expectedKept] = [values(x), values(kept)];
  const { moved } = memory().devices.wasm!;
  const pile: Tensor[] = [];
  while (memory().devices.wasm!.moved === moved || groupOf(memory(), "randn", "1000")!.count > 1)
    for (let i = 0; i < 1000; i++) pile.push(zeros([1]));
  t.equal(groupOf(memory(), "randn", "1000")!.count, 1, "what is kept stays");
  t.same(values(x), expected, "it is read from the heap");
  t.same(values(kept), expectedKept);
  t.equal(groupOf(memory(), "randn", "1000")!.count, 1);
  t.same(
    values(add(x, y)),
    expected.map((value) => Math.fround(2 * value)),
  );
  t.equal(groupOf(memory(), "randn", "1000")!.count, 2, "it came back to be added");
  x.release();
  t.same(values(y), expected);
  y.release();
  t.equal(groupOf(memory(), "randn", "1000")!.count, 1);
  for (const z of pile) z.release();
  kept.release();
});

t.test("running out of memory says how much was asked, what holds the most, and what to do", async (t) => {
  const wide = zeros([1234, 100]);
  t.throws(() => getBackend("wasm").allocate("float32", 2 ** 31), {
    name: "DeviceError",
    message:
      /^allocate: device wasm has no memory for 8589934592 more bytes; \d+ bytes are in use, \d+ reserved of at most \d+; most is held by zeros \[1234, 100\] × 1 \(482\.0 KiB\).*; wrap the step in scope\(\) or noGrad\(\), or take a smaller batch; memory\(\) lists everything$/,
  });
  t.same(values(wide)[0], 0);
  wide.release();
  t.throws(() => wide.dataSync(), {
    message: "the result of zeros ([1234, 100]) was released by release(); keep() it to read it later",
  });
});
