import type { Attributes } from "../../kernels.ts";
import type { CpuKernels, CpuView } from "./types.ts";
import { broadcast, copy, fill, sliced } from "./views.ts";

/** Each of these is a copy through another view of the same memory. */
export const layout: Pick<CpuKernels, "permute" | "broadcastTo" | "slice" | "pad" | "concat"> = {
  permute: ([x], out, { axes }) => copy(x.transpose(...axes), out),
  broadcastTo: ([x], out) => copy(broadcast(x, out.shape), out),
  slice: ([x], out, { starts, steps }) => copy(sliced(x, out.shape, starts, steps), out),
  pad([x], out, { starts, steps, value }) {
    fill(out, value);
    copy(x, sliced(out, x.shape, starts, steps));
  },
  concat,
};

function concat(inputs: readonly CpuView[], out: CpuView, { axis }: Attributes<"concat">): void {
  const starts = out.shape.map(() => 0);
  const steps = out.shape.map(() => 1);
  for (const input of inputs) {
    copy(input, sliced(out, input.shape, starts, steps));
    starts[axis] += input.shape[axis];
  }
}
