import { add } from "../../src/autograd/ops/arithmetic.ts";
import { sum } from "../../src/autograd/ops/reduce.ts";
import { getBackend, setDefaultDevice } from "../../src/tensor/backend.ts";
import { arange, fromArray, tensor, zeros } from "../../src/tensor/create.ts";
import { setBlas, setThreads } from "../../src/tensor/devices.ts";
import { expectShape } from "../../src/tensor/expect-shape.ts";
import { scope } from "../../src/tensor/scope.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { f32, f64, i32, type Row, shaped } from "./row.ts";

const released = (): Tensor => {
  let lost = f32(2, 3);
  scope(() => {
    lost = add(lost, 1);
  }, "the end of the step");
  return lost;
};

/** Making, reading and moving tensors; axes and devices. */
export const tensors: readonly Row[] = [
  [() => fromArray([1, 2, 3], [2, 2]), "fromArray: 3 values do not fill the shape: [2, 2]"],
  [() => zeros([2, -1]), "zeros: a shape has whole, non-negative lengths, not [2, -1]"],
  [() => tensor([[1, 2], [3]]), "tensor: rows differ in length at depth 1: 1 against 2"],
  [() => tensor([[1], 2]), "tensor: rows differ in depth: [2, 1]"],
  [() => arange(0, 1, 0), "arange: no finite range from 0 to 1 by 0"],
  [() => f32(2).item(), "item: one element is needed, not 2: [2]; dataSync() reads all of them"],
  [
    () => released().dataSync(),
    "the result of add ([2, 3]) was released by the end of the step; keep() it to read it later",
  ],
  [
    () => released().data(),
    "the result of add ([2, 3]) was released by the end of the step; keep() it to read it later",
  ],
  [
    () => released().print(),
    "the result of add ([2, 3]) was released by the end of the step; keep() it to read it later",
  ],
  [
    () => shaped([2]).dataSync(),
    "data: the meta device has shapes but no values; make the tensor on another device to read it",
  ],
  [
    () => shaped([]).item(),
    "data: the meta device has shapes but no values; make the tensor on another device to read it",
  ],
  [() => zeros([2], { device: "abacus" }), 'no device "abacus"; there are wasm, cpu, meta'],
  [() => setDefaultDevice("abacus"), 'no device "abacus"; there are wasm, cpu, meta'],
  [
    () => zeros([2], { dtype: "float64", device: "wasm" }),
    "zeros: device wasm holds float32, int32, not float64; use the cpu device for float64",
  ],
  [
    () => f64(2).toDevice("wasm"),
    "fromArray: device wasm holds float32, int32, not float64; use the cpu device for float64",
  ],
  [
    () => zeros([2 ** 50]),
    "zeros: the engine has no memory for [1125899906842624] in float32, as it is made here first",
  ],
  [
    () => getBackend("cpu").allocate("float64", 2 ** 50),
    "allocate: device cpu has no memory for 1125899906842624 float64 elements",
  ],
  [
    () => getBackend("wasm").allocate("float32", 2 ** 40),
    /^allocate: device wasm has no memory for 4398046511104 more bytes; \d+ bytes are in use, \d+ reserved of at most \d+; most is held by \w+ \[.*\] × \d+ \(.*\); wrap the step in scope\(\) or noGrad\(\), or take a smaller batch; memory\(\) lists everything$/,
  ],
  [() => setBlas("nowhere.so"), /^blas: nowhere\.so cannot be used: \S/],
  [() => setThreads(0), "setThreads: a whole number from 1 to 128 is needed, not 0"],
  [
    () => getBackend("cpu").run("gelu", [f64(2)], f64(2), {}),
    "gelu: device cpu runs its definition, it has no such kernel",
  ],
  [
    () => getBackend("wasm").run("logSoftmaxBackward" as "gelu", [f32(2)], f32(2), {}),
    "logSoftmaxBackward: device wasm runs its definition, it has no such kernel",
  ],
  [() => add(f32(2), i32(2)), "add: operands are float32 and int32; convert one with cast()"],
  [() => add(f32(2), shaped([2])), "add: operands are on wasm and meta; move one with toDevice()"],
  [() => add(f32(2, 3), f32(4, 3)), "add: axis 0 does not broadcast (2 against 4): [2, 3] and [4, 3]"],
  [() => sum(f32(2, 3), 2), "sum: axis 2 is out of range for 2 axes"],
  [() => sum(f32(2, 3), [0, -2]), "sum: an axis is named twice in [0, 0]"],
  [
    () => expectShape(f32(2, 3), "B T d", "Layer"),
    "Layer: the shape [B, T, d] is needed, not [2, 3]; 3 axes are needed, there are 2",
  ],
  [
    () => expectShape(f32(3), "B B d", "Layer"),
    "Layer: the shape [B, B, d] is needed, not [3]; 3 axes are needed, there is 1",
  ],
  [
    () => expectShape(f32(2, 3, 4), "B B d", "Layer"),
    "Layer: the shape [B, B, d] is needed, not [2, 3, 4]; B is 2 and, at axis 1, 3",
  ],
  [
    () => expectShape(f32(2, 4, 5, 6), "B 3 H W", "Layer"),
    "Layer: the shape [B, 3, H, W] is needed, not [2, 4, 5, 6]; axis 1 is 4, not 3",
  ],
  [
    () => expectShape(f32(7), "... T d", "Layer"),
    "Layer: the shape [..., T, d] is needed, not [7]; at least 2 axes are needed, there is 1",
  ],
  [
    () => expectShape(f32(7, 5), "... 6", "Layer"),
    "Layer: the shape [..., 6] is needed, not [7, 5]; axis 1 is 5, not 6",
  ],
];
