import { sizeOf, stridesOf } from "../../../shape.ts";
import { coordinates, kernelSource, loop, quotient, weightedSum } from "../source.ts";
import type { GpuKernel } from "./types.ts";

/** Indices are in range: `indices.ts` has looked at them. A scatter asks every update whether it is meant for the cell. */
export const indexing = {
  gather: (...[launch, [table, indices], out]: Parameters<GpuKernel<"gather">>) => {
    const width = sizeOf(table!.shape.slice(1));
    const body = `const row = ${quotient("this.thread.x", width)};
return table[indices[row] * ${width} + this.thread.x - row * ${width}];`;
    return launch(kernelSource(["table", "indices"], body), [table!.cells, indices!.cells], out.size);
  },
  scatterAdd: (...[launch, [updates, indices], out]: Parameters<GpuKernel<"scatterAdd">>) => {
    const width = sizeOf(out.shape.slice(1));
    const body = `const row = ${quotient("this.thread.x", width)};
const column = this.thread.x - row * ${width};
let total = 0.0;
${loop("k", sizeOf(indices!.shape), `if (indices[k] === row) { total += updates[k * ${width} + column]; }`)}
return total;`;
    return launch(kernelSource(["updates", "indices"], body), [updates!.cells, indices!.cells], out.size);
  },
  takeAlongAxis: (...[launch, [x, indices], out, { axis }]: Parameters<GpuKernel<"takeAlongAxis">>) => {
    const { code, names } = coordinates(out.shape);
    const strides = stridesOf(x!.shape);
    const at = `${weightedSum(names.with(axis, "0"), strides)} + indices[this.thread.x] * ${strides[axis]}`;
    return launch(kernelSource(["x", "indices"], `${code}return x[${at}];`), [x!.cells, indices!.cells], out.size);
  },
  putAlongAxis: (...[launch, [updates, indices], out, { axis }]: Parameters<GpuKernel<"putAlongAxis">>) => {
    const { code, names } = coordinates(out.shape);
    const strides = stridesOf(updates!.shape);
    const body = `${code}const start = ${weightedSum(names.with(axis, "0"), strides)};
const own = ${names[axis]};
let total = 0.0;
${loop(
  "k",
  updates!.shape[axis]!,
  `const at = start + k * ${strides[axis]};
if (indices[at] === own) { total += updates[at]; }`,
)}
return total;`;
    return launch(kernelSource(["updates", "indices"], body), [updates!.cells, indices!.cells], out.size);
  },
};
