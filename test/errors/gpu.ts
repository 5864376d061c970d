import { anomaly } from "../../src/autograd/anomaly.ts";
import { attention } from "../../src/autograd/functions/attention.ts";
import { crossEntropy } from "../../src/autograd/functions/cross-entropy.ts";
import { gelu } from "../../src/autograd/functions/gelu.ts";
import { add } from "../../src/autograd/ops/arithmetic.ts";
import { gather } from "../../src/autograd/ops/indexing.ts";
import { cast } from "../../src/autograd/ops/select.ts";
import { gpuKernels } from "../../src/tensor/backends/gpujs/kernels/index.ts";
import { openCheckedGpu, openGpu } from "../../src/tensor/backends/gpujs/open.ts";
import { fromArray, zeros } from "../../src/tensor/create.ts";
import { gpuCounters, loadGpu } from "../../src/tensor/devices.ts";
import { Tensor } from "../../src/tensor/tensor.ts";
import type { Row } from "./row.ts";

/** A tensor of ones on a device whose kernel of `gelu` is that source; `cpu` has none that could answer instead. */
async function withGelu(source: string, mode: "cpu" | "webasm" = "webasm", isAsynchronous = false): Promise<Tensor> {
  const kernels = { ...gpuKernels, gelu: (launch, [x]) => launch(source, [x!.cells], 2) } satisfies typeof gpuKernels;
  const backend = (await openGpu(mode, { kernels, isAsynchronous }))!;
  return new Tensor(backend, [2], backend.upload(Float32Array.of(1, 1), "float32"), "ones");
}

const on = async (shape: readonly number[], dtype: "float32" | "float64" | "int32" = "float32") =>
  zeros(shape, { device: await loadGpu("webasm"), dtype });
const whole = async (...values: number[]) =>
  fromArray(Int32Array.from(values), [values.length], { device: await loadGpu("webasm") });

/** What the `gpu` device refuses. */
export const gpu: readonly Row[] = [
  [() => loadGpu("opengl"), 'gpu: no mode "opengl"; there are webgpu, webgl2, headlessgl, webasm, cpu'],
  [
    () => loadGpu("webgpu"),
    "gpu: mode webgpu does not work here; it needs an engine with navigator.gpu and an adapter; Node has it from the package webgpu",
  ],
  [
    () =>
      openCheckedGpu("webasm", {
        kernels: {
          ...gpuKernels,
          max: (...[launch, inputs, out, options]) => gpuKernels.min!(launch, inputs, out, options),
        },
      }),
    /^gpu: mode webasm computes wrongly here: max gives .* in cell 0, not .*; use another mode or driver$/,
  ],
  [() => gpuCounters("wasm"), "gpuCounters: device wasm is none of gpu.js"],
  [
    () => zeros([2], { device: "gpu:webgl2" }),
    /^no device "gpu:webgl2"; there are wasm, cpu, meta.*; await loadGpu\(\) makes gpu devices known$/,
  ],
  [
    () => on([2], "float64"),
    "zeros: device gpu:webasm holds float32, int32, not float64; use the cpu device for float64",
  ],
  [
    () => whole(1, 2 ** 24 + 1),
    "device gpu:webasm holds int32 as float32, exact up to 2^24; element 1 is 16777217, use another device for it",
  ],
  [
    async () => add(await whole(2 ** 24), await whole(2)).dataSync(),
    "device gpu:webasm holds int32 as float32, exact up to 2^24; element 0 is 16777218, use another device for it",
  ],
  [
    async () => gelu(await on([4097, 4096])),
    "gelu: [4097, 4096] has 16781312 cells, and device gpu:webasm can address 16777216; use wasm",
  ],
  [
    async () => attention(await on([1, 4097, 3]), 1),
    "attention: a step of it has 16785409 cells, and device gpu:webasm can address 16777216; use wasm",
  ],
  [async () => gather(await on([3, 2]), await whole(0, 3)), "gather: index 3 is outside [0, 3)"],
  [
    async () => crossEntropy(await on([2, 3]), await whole(0, 3)),
    "crossEntropy: label 3 at row 1 is outside [0, 3): [2, 3]",
  ],
  [
    async () => {
      const x = await on([2]);
      x.backend.run("logSoftmaxBackward" as "gelu", [x], x, {});
    },
    "logSoftmaxBackward: device gpu:webasm runs its definition, it has no such kernel",
  ],
  [
    async () => gelu(await withGelu("function (x) { return frobnicate(x[this.thread.x]); }")),
    /^gelu: device gpu:webasm could not compile or run its kernel for operands of \[2\] cells and 2 results: .*on line 1, position 16: /,
  ],
  [
    async () => gelu(await withGelu("function (x) { return frobnicate(x[this.thread.x]); }", "webasm", true)).data(),
    /^gelu: device gpu:webasm could not compile or run its kernel for operands of \[2\] cells and 2 results, called at .*errors\/gpu\.ts:\d+:\d+: .*on line 1, position 16: /,
  ],
  [
    async () => gelu(await withGelu("function (x) { return x[0] > 0.0; }")),
    /^gelu: device gpu:webasm could not compile or run its kernel .*: unhandled returnType Boolean/,
  ],
  [
    async () => gelu(await withGelu("function (x) { return x[this.thread.x]; }", "webasm", true)).dataSync(),
    "dataSync: device gpu:webasm answers later; await data()",
  ],
  [
    async () => {
      const x = await withGelu("function (x) { return x[this.thread.x]; }", "webasm", true);
      return anomaly(() => gelu(x));
    },
    "anomaly: gelu ran on gpu:webasm, which answers later than results are searched; use gpu:webgl2, wasm or cpu",
  ],
  [
    async () => {
      const x = gelu(await withGelu("function (x) { return x[this.thread.x] + 6.0; }", "webasm", true));
      return gather(x, cast(x, "int32")).data();
    },
    "gather: index 7 is outside [0, 2)",
  ],
];
