import t from "tap";
import { grad } from "../../src/autograd/grad.ts";
import { variable } from "../../src/autograd/graph.ts";
import "../../src/autograd/fluent.ts";
import { getBackend } from "../../src/tensor/backend.ts";
import { tensor, zeros } from "../../src/tensor/create.ts";
import { DeviceError } from "../../src/tensor/errors.ts";
import { expectShape } from "../../src/tensor/expect-shape.ts";
import { Tensor } from "../../src/tensor/tensor.ts";
import { values } from "../support.ts";

const shaped = (...shape: number[]) => ({ shape });

t.test("expectShape answers the sizes that are named", async (t) => {
  t.same(expectShape(shaped(2, 3, 4), "B T d", "x"), [2, 3, 4]);
  t.same(expectShape(shaped(2, 3, 8, 9), "B 3 H W", "x"), [2, 3, 8, 9]);
  t.same(expectShape(shaped(5, 5), "N N", "x"), [5, 5]);
  t.same(expectShape(shaped(1, 2, 3, 4), "... T d", "x"), [3, 4]);
  t.same(expectShape(shaped(3, 4), "... T d", "x"), [3, 4]);
  t.same(expectShape(shaped(), "", "x"), []);
  t.same(expectShape(shaped(2), "...", "x"), []);
  t.same(expectShape(shaped(0, 1), " B  d ", "x"), [0, 1]);
});

/** What `print` writes. */
async function printed(x: Tensor): Promise<string> {
  let text = "";
  await x.print((line) => {
    text += line;
  });
  return text;
}

t.test("print: the values as numpy shows them, then shape, dtype and device", async (t) => {
  const x = tensor([
    [1, 2.5],
    [-3, 0],
  ]);
  t.equal(await printed(x), "[[ 1.   2.5]\n [-3.   0. ]]\nshape [2, 2], float32 on wasm");
  t.equal(await printed(tensor(3, { dtype: "int32", device: "cpu" })), "3\nshape [], int32 on cpu");
  t.equal(await printed(zeros([2, 0])), "[]\nshape [2, 0], float32 on wasm");
  t.equal(await printed(zeros([2], { device: "meta" })), "no values, only a shape\nshape [2], float32 on meta");
  let now = "";
  void x.print((text) => {
    now = text;
  });
  t.match(now, /shape/, "written before it returns, where the device need not be waited for");
  x.release();
  await t.rejects(printed(x), { name: "ReleasedError" });
});

t.test("print waits for a device that cannot be read at once", async (t) => {
  const cpu = getBackend("cpu");
  const slow = Object.assign(Object.create(cpu) as typeof cpu, {
    name: "slow",
    readSync: () => {
      throw new DeviceError("slow: read with data()");
    },
    read: async (storage: Tensor["storage"]) => {
      await new Promise((resolve) => setTimeout(resolve, 1));
      return cpu.readSync(storage);
    },
  });
  const x = new Tensor(slow, [1], cpu.upload(Float32Array.of(2), "float32"), "test");
  t.equal(await printed(x), "[2.]\nshape [1], float32 on slow");
});

t.test("toDevice: values, gradient, and dtypes that a device lacks", async (t) => {
  const x = variable(tensor([1, 2], { device: "cpu" }));
  const y = x.toDevice("wasm");
  t.match(y, { device: "wasm", dtype: "float32", operation: "toDevice" });
  t.same(values(y), [1, 2]);
  const [gradient] = grad(y.mul(tensor([3, 4])).sum(), [x]);
  t.equal(gradient!.device, "cpu");
  t.same(values(gradient!), [3, 4]);
  t.throws(() => tensor([1], { dtype: "float64", device: "cpu" }).toDevice("wasm"), { name: "DTypeError" });
});
