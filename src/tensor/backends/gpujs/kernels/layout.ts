import { broadcastStrides, sizeOf, stridesOf } from "../../../shape.ts";
import type { Cells } from "../cells.ts";
import { coordinates, inGroups, kernelSource, literal, MOST_ARRAYS, quotient, walk, weightedSum } from "../source.ts";
import type { GpuKernel, GpuOperand, GpuResult, Launch } from "./types.ts";

/** Each output cell is one input cell, found by strides. */
export const layout = {
  permute: (...[launch, [x], out, { axes }]: Parameters<GpuKernel<"permute">>) => {
    const strides = stridesOf(x!.shape);
    return copyBy(
      launch,
      x!,
      out,
      axes.map((axis) => strides[axis]!),
    );
  },
  broadcastTo: (...[launch, [x], out]: Parameters<GpuKernel<"broadcastTo">>) =>
    copyBy(launch, x!, out, broadcastStrides(x!.shape, out.shape)),
  slice: (...[launch, [x], out, { starts, steps }]: Parameters<GpuKernel<"slice">>) => {
    const strides = stridesOf(x!.shape);
    const first = strides.reduce((sum, stride, axis) => sum + starts[axis]! * stride, 0);
    return copyBy(
      launch,
      x!,
      out,
      strides.map((stride, axis) => steps[axis]! * stride),
      first,
    );
  },
  /** A cell of the output is a cell of the input if that is so along every axis. */
  pad: (...[launch, [x], out, { starts, steps, value }]: Parameters<GpuKernel<"pad">>) => {
    const { code, names } = coordinates(out.shape);
    const strides = stridesOf(x!.shape);
    const tests = x!.shape.map((length, axis) => {
      const [start, step] = [literal(starts[axis]!), Math.abs(steps[axis]!)];
      const from = steps[axis]! < 0 ? `(${start} - ${names[axis]})` : `(${names[axis]} - ${start})`;
      return `const p${axis} = ${quotient(from, step)};
if (p${axis} * ${step} !== ${from} || p${axis} < 0 || p${axis} >= ${length}) { inside = 0.0; }`;
    });
    const at = weightedSum(
      strides.map((_, axis) => `p${axis}`),
      strides,
    );
    const body = `${code}let inside = 1.0;
${tests.join("\n")}
let cell = value;
if (inside > 0.5) { cell = x[(${at}) * inside]; }
return cell;`;
    return launch(kernelSource(["x", "value"], body), [x!.cells, value], out.size);
  },
  concat,
};

/** The part of each input is found by its position along the axis; many inputs are joined in groups first. */
function concat(...[launch, inputs, out, { axis }]: Parameters<GpuKernel<"concat">>): Cells {
  if (inputs.length > MOST_ARRAYS) {
    const joined = inGroups(inputs, MOST_ARRAYS).map((group) => {
      const length = group.reduce((sum, { shape }) => sum + shape[axis]!, 0);
      const shape = out.shape.map((n, i) => (i === axis ? length : n));
      return {
        shape,
        dtype: out.dtype,
        cells: concat(launch, group, { ...out, shape, size: sizeOf(shape) }, { axis }),
      };
    });
    return concat(launch, joined, out, { axis });
  }
  const { code, names } = coordinates(out.shape);
  let start = 0;
  const parts = inputs.map(({ shape }, i) => {
    const length = shape[axis]!;
    const strides = stridesOf(shape);
    const at = `${weightedSum(names.with(axis, "0"), strides)} + (${names[axis]} - ${start}) * ${strides[axis]}`;
    const test = `if (${names[axis]} >= ${start} && ${names[axis]} < ${start + length}) { cell = x${i}[${at}]; }`;
    start += length;
    return length === 0 ? "" : test;
  });
  const source = kernelSource(
    inputs.map((_, i) => `x${i}`),
    `${code}let cell = 0.0;\n${parts.join("\n")}\nreturn cell;`,
  );
  return launch(
    source,
    inputs.map(({ cells }) => cells),
    out.size,
  );
}

function copyBy(launch: Launch, x: GpuOperand, out: GpuResult, strides: readonly number[], first = 0) {
  const { code, offsets } = walk(out.shape, [strides]);
  // Two literals would be a sum of floats, which WebGL takes for no index.
  const at = offsets[0] === "0" ? `${first}` : `${offsets[0]} + ${first}`;
  return launch(kernelSource(["x"], `${code}return x[${at}];`), [x.cells], out.size);
}
