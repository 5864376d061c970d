import fc from "fast-check";
import t from "tap";
import { resizeBilinear } from "../../src/autograd/functions/resize-bilinear.ts";
import { checkGrads } from "../../src/autograd/gradcheck.ts";
import { fromArray, tensor, zeros } from "../../src/tensor/create.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { draw, exact, ints, values } from "../support.ts";

const length = fc.integer({ min: 1, max: 5 });

/** Each output cell by the four cells around the place it reads. */
function naiveResize(x: Tensor, [h, w]: readonly [number, number], alignCorners: boolean): number[] {
  const [H, W] = x.shape.slice(-2) as [number, number];
  const data = values(x);
  const place = (i: number, n: number, g: number) =>
    alignCorners ? (n === 1 ? 0 : (i * (g - 1)) / (n - 1)) : Math.max(0, ((i + 0.5) * g) / n - 0.5);
  const out: number[] = [];
  for (let plane = 0; plane < data.length; plane += H * W)
    for (let i = 0; i < h; i++)
      for (let j = 0; j < w; j++) {
        const [y, z] = [place(i, h, H), place(j, w, W)];
        const at = (row: number, column: number) => data[plane + Math.min(row, H - 1) * W + Math.min(column, W - 1)]!;
        const [y0, z0] = [Math.floor(y), Math.floor(z)];
        const above = at(y0, z0) * (z0 + 1 - z) + at(y0, z0 + 1) * (z - z0);
        const below = at(y0 + 1, z0) * (z0 + 1 - z) + at(y0 + 1, z0 + 1) * (z - z0);
        out.push(above * (y0 + 1 - y) + below * (y - y0));
      }
  return out;
}

t.test("resizeBilinear: equal to the four neighbours of every cell", async (t) => {
  fc.assert(
    fc.property(fc.tuple(length, length), fc.tuple(length, length), fc.boolean(), (from, size, alignCorners) => {
      const x = draw([2, 1, ...from]);
      const actual = resizeBilinear(x, size, { alignCorners });
      t.same(actual.shape, [2, 1, ...size]);
      const expected = naiveResize(x, size, alignCorners);
      const error = Math.max(...values(actual).map((v, i) => Math.abs(v - expected[i]!)));
      t.ok(error < 1e-13, `${from} → ${size}: ${error}`);
    }),
  );
});

t.test("resizeBilinear: the table of PyTorch's nn.Upsample, its own size, leading axes", async (t) => {
  const table = tensor(
    [
      [1, 2],
      [3, 4],
    ],
    exact,
  );
  const rounded = (x: Tensor) => values(x).map((v) => Math.round(v * 1e4) / 1e4);
  t.same(
    rounded(resizeBilinear(table, [4, 4])),
    [1, 1.25, 1.75, 2, 1.5, 1.75, 2.25, 2.5, 2.5, 2.75, 3.25, 3.5, 3, 3.25, 3.75, 4],
  );
  t.same(
    rounded(resizeBilinear(table, [4, 4], { alignCorners: true })),
    [1, 1.3333, 1.6667, 2, 1.6667, 2, 2.3333, 2.6667, 2.3333, 2.6667, 3, 3.3333, 3, 3.3333, 3.6667, 4],
  );
  for (const alignCorners of [false, true]) {
    t.same(values(resizeBilinear(table, [2, 2], { alignCorners })), [1, 2, 3, 4]);
    t.same(values(resizeBilinear(fromArray([5], [1, 1], exact), [2, 3], { alignCorners })), [5, 5, 5, 5, 5, 5]);
  }
  t.same(values(resizeBilinear(table, [1, 1])), [2.5], "the middle");
  t.same(values(resizeBilinear(table, [1, 1], { alignCorners: true })), [1], "the first corner");
  t.same(resizeBilinear(zeros([0, 3, 2, 2], exact), [4, 5]).shape, [0, 3, 4, 5]);
});

t.test("resizeBilinear: derivatives to second order", async (t) => {
  for (const alignCorners of [false, true])
    checkGrads(t, (x: Tensor) => resizeBilinear(x, [5, 2], { alignCorners }), [draw([2, 3, 4])]);
});

t.test("resizeBilinear: errors name the shape and the size", async (t) => {
  t.throws(() => resizeBilinear(draw([3]), [1, 1]), { message: "resizeBilinear: images [..., H, W] are needed: [3]" });
  t.throws(() => resizeBilinear(draw([3, 3]), [0, 2]), {
    message: "resizeBilinear: the size [0, 2] is not two whole numbers of at least 1: [3, 3]",
  });
  t.throws(() => resizeBilinear(zeros([2, 0], exact), [1, 1]), {
    message: "resizeBilinear: an empty image has no cells to read: [2, 0]",
  });
  t.throws(() => resizeBilinear(ints([1, 2], [1, 2]), [1, 1]), {
    name: "DTypeError",
    message: "resizeBilinear: an int32 operand; cast() it to float32 first",
  });
});
