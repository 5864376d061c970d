import fc from "fast-check";
import t from "tap";
import { type ConvolutionOptions, conv1d, conv2d } from "../../src/autograd/functions/convolution.ts";
import { avgPool1d, avgPool2d, maxPool1d, maxPool2d } from "../../src/autograd/functions/pooling.ts";
import { grad } from "../../src/autograd/grad.ts";
import { type Asserter, checkGrads } from "../../src/autograd/gradcheck.ts";
import { variable } from "../../src/autograd/graph.ts";
import { mul } from "../../src/autograd/ops/arithmetic.ts";
import { reshape } from "../../src/autograd/ops/layout.ts";
import { sum } from "../../src/autograd/ops/reduce.ts";
import { ones, tensor, zeros } from "../../src/tensor/create.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { draw, drawApart, exact, ints, values } from "../support.ts";

type Pair = [number, number];
type Geometry = { size: Pair; stride: Pair; padding: Pair; dilation: Pair };

/** Calls `visit` with each position and the cells of its window; null for a cell of the padding. */
function forEachWindow(
  [H, W]: Pair,
  { size, stride, padding, dilation }: Geometry,
  visit: (cells: { at: Pair | null; i: number; j: number }[]) => void,
): Pair {
  const count = (n: number, axis: 0 | 1) =>
    Math.floor((n + 2 * padding[axis] - dilation[axis] * (size[axis] - 1) - 1) / stride[axis]) + 1;
  const positions: Pair = [count(H, 0), count(W, 1)];
  for (let p = 0; p < positions[0]; p++)
    for (let q = 0; q < positions[1]; q++) {
      const cells = [];
      for (let i = 0; i < size[0]; i++)
        for (let j = 0; j < size[1]; j++) {
          const y = p * stride[0] + i * dilation[0] - padding[0];
          const x = q * stride[1] + j * dilation[1] - padding[1];
          cells.push({ at: y >= 0 && y < H && x >= 0 && x < W ? ([y, x] as Pair) : null, i, j });
        }
      visit(cells);
    }
  return positions;
}

function naiveConvolution(x: Tensor, weight: Tensor, bias: Tensor, groups: number, geometry: Geometry): number[] {
  const [B, C, H, W] = x.shape as [number, number, number, number];
  const [out, channels, kh, kw] = weight.shape as [number, number, number, number];
  const [a, w, b] = [values(x), values(weight), values(bias)];
  const result: number[] = [];
  for (let n = 0; n < B; n++)
    for (let o = 0; o < out; o++) {
      const first = Math.floor(o / (out / groups)) * channels;
      forEachWindow([H, W], geometry, (cells) => {
        let total = b[o]!;
        for (const { at, i, j } of cells)
          for (let c = 0; at && c < channels; c++)
            total += a[((n * C + first + c) * H + at[0]) * W + at[1]]! * w[((o * channels + c) * kh + i) * kw + j]!;
        result.push(total);
      });
    }
  return result;
}

/** Window geometry and an image that it fits. */
const pair = (min: number, max: number) => fc.tuple(fc.integer({ min, max }), fc.integer({ min, max }));
const geometries = fc
  .record({ size: pair(1, 3), stride: pair(1, 3), padding: pair(0, 2), dilation: pair(1, 2), extra: pair(0, 4) })
  .map(({ extra, ...geometry }) => {
    const fits = ([0, 1] as const).map((axis) => {
      const { size, dilation, padding } = geometry;
      return Math.max(1, dilation[axis] * (size[axis] - 1) + 1 - 2 * padding[axis]) + extra[axis];
    });
    return { ...geometry, image: fits as Pair };
  });

const close = (t: Asserter, actual: Tensor, expected: readonly number[], message: string) => {
  const data = values(actual);
  const error = Math.max(0, ...data.map((v, i) => (v === expected[i] ? 0 : Math.abs(v - expected[i]!))));
  t.ok(data.length === expected.length && error < 1e-12, `${message}: ${error}`);
};

t.test("conv2d: equal to loops over every window, with groups", async (t) => {
  const cases = fc.record({ geometry: geometries, groups: fc.integer({ min: 1, max: 2 }), channels: pair(1, 2) });
  fc.assert(
    fc.property(cases, ({ geometry: { image, size, ...options }, groups, channels: [inner, outer] }) => {
      const x = draw([2, inner * groups, ...image], "x");
      const [weight, bias] = [draw([outer * groups, inner, ...size], "w"), draw([outer * groups], "b")];
      const actual = conv2d(x, weight, { bias, groups, ...options });
      const expected = naiveConvolution(x, weight, bias, groups, { size, ...options });
      close(t, actual, expected, JSON.stringify({ image, size, ...options }));
    }),
    { numRuns: 100 },
  );
});

t.test("conv1d is conv2d on an image of one row", async (t) => {
  const [x, weight, bias] = [draw([2, 4, 9], 1), draw([6, 2, 3], 2), draw([6], 3)];
  const options = { stride: 2, padding: 1, dilation: 2, groups: 2 };
  const wide = conv2d(reshape(x, [2, 4, 1, 9]), reshape(weight, [6, 2, 1, 3]), {
    ...{ bias, groups: 2, stride: [1, 2], padding: [0, 1], dilation: [1, 2] },
  });
  const actual = conv1d(x, weight, { bias, ...options });
  t.same(actual.shape, [2, 6, 4]);
  t.same(values(actual), values(wide));
  t.same(
    values(conv1d(tensor([[[1, 2, 4]]], exact), tensor([[[1, 10]]], exact))),
    [21, 42],
    "the kernel is not flipped",
  );
});

t.test("convolution: padding by name, a kernel of one cell, empty batches", async (t) => {
  const x = draw([1, 2, 5, 6]);
  const weight = draw([3, 2, 2, 3], 1);
  t.same(conv2d(x, weight, { padding: "same", dilation: [3, 1] }).shape, [1, 3, 5, 6]);
  t.same(conv2d(x, weight, { padding: "valid" }).shape, [1, 3, 4, 4]);
  const evenKernel = conv1d(tensor([[[1, 2, 4]]], exact), tensor([[[1, 10]]], exact), { padding: "same" });
  t.same(values(evenKernel), [21, 42, 4], "the odd zero comes last");
  t.same(values(conv2d(ones([1, 2, 1, 2], exact), ones([1, 2, 1, 1], exact))), [2, 2]);
  t.same(conv2d(zeros([0, 2, 5, 6], exact), weight).shape, [0, 3, 4, 4]);
  t.same(values(conv1d(zeros([1, 0, 3], exact), zeros([1, 0, 2], exact))), [0, 0], "no channels add up to 0");
});

t.test("convolution: derivatives to second order", async (t) => {
  const options: ConvolutionOptions = { stride: [2, 1], padding: [1, 2], dilation: [1, 2], groups: 2 };
  const apply = (x: Tensor, weight: Tensor, bias: Tensor) => conv2d(x, weight, { bias, ...options });
  checkGrads(t, apply, [draw([2, 4, 5, 4], 1), draw([2, 2, 3, 2], 2), draw([2], 3)]);
  checkGrads(t, (x: Tensor, weight: Tensor) => conv1d(x, weight, { padding: "same" }), [
    draw([2, 2, 4], 1),
    draw([3, 2, 2], 2),
  ]);
  checkGrads(t, (x: Tensor, weight: Tensor) => conv1d(x, weight), [draw([1, 2, 3], 1), draw([2, 2, 1], 2)]);
});

t.test("pooling: equal to loops over every window", async (t) => {
  fc.assert(
    fc.property(geometries, fc.boolean(), ({ image, ...geometry }, countIncludePad) => {
      const padding = geometry.padding.map((n, i) => Math.min(n, Math.floor(geometry.size[i]! / 2))) as Pair;
      const dilation: Pair = [1, 1];
      const fits = image.map((n, i) => Math.max(n, geometry.size[i]!)) as Pair;
      const x = draw(fits, "pool");
      const data = values(x);
      const { size, stride } = geometry;
      const [largest, means]: [number[], number[]] = [[], []];
      const positions = forEachWindow(fits, { size, stride, padding, dilation }, (cells) => {
        const real = cells.flatMap(({ at }) => (at ? [data[at[0] * fits[1] + at[1]]!] : []));
        largest.push(Math.max(...real));
        means.push(real.reduce((a, b) => a + b, 0) / (countIncludePad ? cells.length : real.length));
      });
      const maxima = maxPool2d(x, size, { stride, padding });
      t.same(maxima.shape, positions);
      t.same(values(maxima), largest);
      close(t, avgPool2d(x, size, { stride, padding, countIncludePad }), means, JSON.stringify({ fits, ...geometry }));
    }),
    { numRuns: 100 },
  );
});

t.test("pooling: values by hand, leading axes, one axis", async (t) => {
  const x = tensor([1, 3, 2, 5, 4], exact);
  t.same(values(maxPool1d(x, 2)), [3, 5], "the incomplete window is left out");
  t.same(values(maxPool1d(x, 2, { stride: 1, dilation: 3 })), [5, 4]);
  t.same(values(maxPool1d(tensor([-1, -2], exact), 2, { padding: 1 })), [-1, -2], "the padding never wins");
  t.same(values(avgPool1d(x, 2, { stride: 2, padding: 1 })), [0.5, 2.5, 4.5]);
  t.same(values(avgPool1d(x, 2, { stride: 2, padding: 1, countIncludePad: false })), [1, 2.5, 4.5]);
  t.same(maxPool2d(draw([2, 3, 4, 6]), [2, 3]).shape, [2, 3, 2, 2]);
  t.same(avgPool2d(draw([4, 6]), 2).shape, [2, 3]);
});

t.test("pooling: derivatives to second order; ties share the gradient", async (t) => {
  const square = (f: (x: Tensor) => Tensor) => (x: Tensor) => f(mul(x, x));
  const x = drawApart([2, 5, 4]);
  checkGrads(
    t,
    square((x) => maxPool2d(x, [3, 2], { stride: [2, 1], padding: [1, 1] })),
    [x],
  );
  checkGrads(
    t,
    square((x) => maxPool1d(x, 2)),
    [x],
  );
  checkGrads(
    t,
    square((x) => avgPool2d(x, 2, { padding: 1, countIncludePad: false })),
    [x],
  );
  checkGrads(
    t,
    square((x) => avgPool1d(x, 2, { stride: 1 })),
    [x],
  );
  const tied = variable(tensor([1, 3, 3, 2], exact));
  t.same(values(grad(sum(maxPool1d(tied, 4)), [tied])[0]!), [0, 0.5, 0.5, 0]);
});

t.test("convolution and pooling: errors name the operation, the shapes and the axis", async (t) => {
  const x = draw([1, 4, 5, 6]);
  const fails = (message: string, f: () => Tensor, name = "ShapeError") => t.throws(f, { name, message });
  fails("conv2d: x [B, C, H, W] and weight [out, C / groups, kh, kw] are needed: [4, 5, 6] and [2, 4, 3, 3]", () =>
    conv2d(draw([4, 5, 6]), draw([2, 4, 3, 3])),
  );
  fails("conv2d: kernels of 3 channels for 4 channels in 1 group: [1, 4, 5, 6] and [2, 3, 3, 3]", () =>
    conv2d(x, draw([2, 3, 3, 3])),
  );
  fails("conv2d: channels do not divide into 3 groups: [1, 4, 5, 6] and [3, 1, 2, 2]", () =>
    conv2d(x, draw([3, 1, 2, 2]), { groups: 3 }),
  );
  fails("conv2d: a window of 7 cells does not fit on axis 3: [1, 4, 5, 6]; with padding it has 6", () =>
    conv2d(x, draw([2, 4, 3, 4]), { dilation: [1, 2] }),
  );
  fails("conv2d: stride [0, 0] is not 2 whole numbers of at least 1", () =>
    conv2d(x, draw([2, 4, 3, 3]), { stride: 0 }),
  );
  fails("conv2d: padding [1] is not 2 whole numbers of at least 0", () =>
    conv2d(x, draw([2, 4, 3, 3]), { padding: [1] }),
  );
  fails("conv2d: the bias does not have the length of the weight's first axis: [3] and [2, 4, 3, 3]", () =>
    conv2d(x, draw([2, 4, 3, 3]), { bias: draw([3]) }),
  );
  fails('conv2d: padding "same" needs a stride of 1; give the padding as numbers', () =>
    conv2d(x, draw([2, 4, 3, 3]), { padding: "same", stride: 2 }),
  );
  fails("maxPool2d: a padding of 2 is more than half of the window's 3 cells: [1, 4, 5, 6]", () =>
    maxPool2d(x, 3, { padding: 2 }),
  );
  fails("avgPool2d: a window of 7 cells does not fit on axis 2: [1, 4, 5, 6]; with padding it has 5", () =>
    avgPool2d(x, 7),
  );
  fails("maxPool1d: an int32 operand; cast() it to float32 first", () => maxPool1d(ints([1, 2]), 2), "DTypeError");
});
