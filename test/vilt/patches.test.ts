import fc from "fast-check";
import t from "tap";
import { checkGrads } from "../../src/autograd/gradcheck.ts";
import { fromArray } from "../../src/tensor/create.ts";
import { Rng } from "../../src/tensor/rng.ts";
import { interpolateGrid } from "../../src/vilt/interpolation.ts";
import { extractPatches } from "../../src/vilt/patch-embedding.ts";
import {
  fullPatchMask,
  type PatchMask,
  patchGrid,
  patchMaskOf,
  pixelMaskFromValues,
} from "../../src/vilt/patch-mask.ts";
import { givenSelection, patchCoordinates, selectPatches } from "../../src/vilt/patch-selection.ts";
import { draw, exact, values } from "../support.ts";

/** A mask of images whose real pixels are rectangles of the given numbers of patches. */
function maskOf(patchSize: number, [rows, columns]: [number, number], extents: [number, number][]): PatchMask {
  const [height, width] = [rows * patchSize, columns * patchSize];
  const pixels = extents.flatMap(([h, w]) =>
    Array.from({ length: height * width }, (_, k) =>
      Math.floor(k / width) < h * patchSize && k % width < w * patchSize ? 1 : 0,
    ),
  );
  return patchMaskOf(pixels, { batchSize: extents.length, height, width, patchSize });
}

t.test("interpolation meets the corners (fixtures of the specification)", async (t) => {
  const nine = fromArray(Float64Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9), [9, 1], exact);
  const to = (h: number, w: number) =>
    values(interpolateGrid(nine, [3, 3], [h, w])).map((v) => Math.round(v * 1e6) / 1e6);
  t.same(to(2, 4), [1, 1.666667, 2.333333, 3, 7, 7.666667, 8.333333, 9]);
  t.same(to(4, 2), [1, 3, 3, 5, 5, 7, 7, 9]);
  t.same(to(1, 3), [1, 2, 3]);
  t.equal(interpolateGrid(nine, [3, 3], [3, 3]), nine, "the identity at its own size");
  await checkGrads(t, (grid) => interpolateGrid(grid!, [2, 3], [4, 2]), [draw([6, 2])]);
  const linear = values(interpolateGrid(draw([6, 2]), [2, 3], [5, 7]));
  t.same(linear.slice(0, 2), values(draw([6, 2])).slice(0, 2), "the first corner is kept");
  t.same(linear.slice(-2), values(draw([6, 2])).slice(-2), "and the last");
});

t.test("patches are flattened by channel, row and column, and follow each other row by row", async (t) => {
  const [H, W, p] = [5, 9, 2];
  const pixel = (b: number, c: number, y: number, x: number) => b * 1000 + c * 100 + y * 10 + x;
  const data = Array.from({ length: 2 * 3 * H * W }, (_, k) => {
    const [x, y, plane] = [k % W, Math.floor(k / W) % H, Math.floor(k / (W * H))];
    return pixel(Math.floor(plane / 3), plane % 3, y, x);
  });
  const patches = extractPatches(fromArray(data, [2, 3, H, W], exact), p); // a strip of one pixel is dropped
  t.same(patches.shape, [2, 2 * 4, 12]);
  const flat = values(patches);
  for (let k = 0; k < flat.length; k++) {
    const [column, row, c] = [k % p, Math.floor(k / p) % p, Math.floor(k / (p * p)) % 3];
    const [j, i, b] = [Math.floor(k / 12) % 4, Math.floor(k / 48) % 2, Math.floor(k / 96)];
    if (flat[k] !== pixel(b, c, i * p + row, j * p + column)) t.fail(`element ${k}`);
  }
});

t.test("a pixel mask counts the top-left pixel of each patch, and real patches are a rectangle", async (t) => {
  const mask = maskOf(
    4,
    [2, 3],
    [
      [2, 3],
      [1, 2],
    ],
  );
  t.same([...mask.valid], [1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0]);
  t.same([...mask.extents], [2, 3, 1, 2]);
  t.notOk(mask.isFull);
  const extent = { batchSize: 2, height: 9, width: 12, patchSize: 4 };
  t.same(patchGrid(extent), [2, 3]);
  t.ok(fullPatchMask(extent).isFull);
  t.same([...fullPatchMask(extent).extents], [2, 3, 2, 3]);

  const one = { batchSize: 1, height: 2, width: 2, patchSize: 1 };
  const hole = [1, 1, 1, 0];
  t.throws(() => patchMaskOf(hole, one), { message: /sample 0: the real patches are not a rectangle/ });
  t.same([...patchMaskOf(hole, one, true).extents], [2, 2], "the original counts the first column and row");
  t.throws(() => patchMaskOf([0, 0, 0, 0], one), { message: /sample 0: no real patch/ });
  t.throws(() => patchMaskOf([1], one), { message: /1 values do not fill 1 images of 2×2 pixels/ });
  t.throws(() => patchGrid({ height: 3, width: 9, patchSize: 4 }), { message: /3×9 pixels: smaller than one patch/ });
  const derived = pixelMaskFromValues([0.5, 0, 1, -0.5, 0, -1, 0, 0, 0.25], 1);
  t.same([...derived], [0, 0, 1], "pixels whose channels add up to exactly 0 count as padding");
});

t.test("selection: all patches in order where nothing is dropped", async (t) => {
  const whole = selectPatches(fullPatchMask({ batchSize: 2, height: 4, width: 6, patchSize: 2 }), { rng: new Rng(0) });
  t.ok(whole.isWhole);
  t.same([...whole.index], [0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 4, 5]);
  t.same([...patchCoordinates(whole)].slice(0, 12), [0, 0, 0, 1, 0, 2, 1, 0, 1, 1, 1, 2]);
  const padded = selectPatches(
    maskOf(
      2,
      [2, 3],
      [
        [1, 3],
        [2, 2],
      ],
    ),
  );
  t.equal(padded.length, 4);
  t.same([...padded.index], [0, 1, 2, 3, 0, 1, 3, 4]);
  t.same([...padded.mask], [1, 1, 1, 0, 1, 1, 1, 1]);
  t.notOk(padded.isWhole);
});

t.test(
  "selection: the limit draws without replacement in training, and keeps the first ones in evaluation",
  async (t) => {
    const mask = maskOf(
      1,
      [4, 5],
      [
        [4, 5],
        [2, 2],
        [1, 3],
      ],
    );
    const evaluated = selectPatches(mask, { maxLength: 4 });
    t.same([...evaluated.index], [0, 1, 2, 3, 0, 1, 5, 6, 0, 1, 2, 3]);
    t.same([...evaluated.mask], [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0]);
    const counts = new Array<number>(20).fill(0);
    const rng = new Rng("patches");
    const others = new Set<string>();
    for (let run = 0; run < 500; run++) {
      const { index, mask: real } = selectPatches(mask, { maxLength: 4, rng });
      const drawn = new Set(index.subarray(0, 4));
      others.add(`${drawn.size} ${index.subarray(4)} ${real}`);
      for (const cell of drawn) counts[cell]!++;
    }
    t.same([...others], [`4 ${evaluated.index.subarray(4)} ${evaluated.mask}`], "smaller images keep all they have");
    t.ok(
      counts.every((count) => count > 60 && count < 145),
      `each of 20 cells about 100 times: ${counts}`,
    );
    const again = (seed: number) => [...selectPatches(mask, { maxLength: 4, rng: new Rng(seed) }).index];
    t.same(again(1), again(1));
    t.equal(selectPatches(mask, { maxLength: 100 }).length, 20, "a limit above the largest image changes nothing");
  },
);

t.test("selection: every choice is real, in place, and as long as the rules say", async (t) => {
  const side = fc.integer({ min: 1, max: 5 });
  const cases = fc.tuple(
    fc.array(fc.tuple(side, side), { minLength: 1, maxLength: 4 }),
    fc.option(fc.integer({ min: 1, max: 30 })),
    fc.boolean(),
  );
  fc.assert(
    fc.property(cases, ([extents, maxLength, train]) => {
      const mask = maskOf(1, [5, 5], extents);
      const selection = selectPatches(mask, { maxLength, ...(train && { rng: new Rng(1) }) });
      const P = Math.min(maxLength ?? 30, Math.max(...extents.map(([h, w]) => h * w)));
      const isRight = extents.every(([h, w], b) => {
        const [real, cells] = [selection.mask, selection.index].map((array) => [...array.slice(b * P, (b + 1) * P)]);
        const inside = (cell: number) => Math.floor(cell / 5) < h && cell % 5 < w;
        const count = real!.filter((flag) => flag === 1).length;
        return count === Math.min(h * w, P) && cells!.every((cell, k) => inside(cell) === (real![k] === 1));
      });
      const given = givenSelection(mask, selection.index);
      return selection.length === P && isRight && `${given.mask}` === `${selection.mask}`;
    }),
    { numRuns: 100 },
  );
  const mask = maskOf(
    1,
    [2, 2],
    [
      [2, 2],
      [1, 1],
    ],
  );
  t.throws(() => givenSelection(mask, Int32Array.of(0, 4)), { message: /no cell 4 in a grid of 2×2/ });
  t.throws(() => givenSelection(mask, Int32Array.of(0, 1, 2)), { message: /3 patches of 2 images/ });
});
