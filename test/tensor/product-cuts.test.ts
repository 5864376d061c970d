import fc from "fast-check";
import t from "tap";
import { ownCut, type ProductSize } from "../../src/tensor/backends/wasm/kernels/cut.ts";
import { SCRATCH_BYTES } from "../../src/tensor/backends/wasm/threads.ts";

/** Bytes of the panels of one operand, and of a register tile; see `assembly/matmul.ts`. */
const PANELS = 1 << 19;
const REGISTER_TILE = 6 * 16 * 4;

function cut(size: ProductSize, count: number, tileColumns = 16) {
  return ownCut({ tileColumns, threads: { count }, library: 0 }, size, 1, 1, size.k);
}

t.test("tiles of a product fit into scratch, whatever its shape", async (t) => {
  const size = fc.oneof(fc.integer({ min: 1, max: 100 }), fc.integer({ min: 1, max: 20_000 }));
  const drawn = fc.record({ m: size, n: size, k: size, transposeA: fc.boolean() });
  const property = fc.property(drawn, fc.integer({ min: 1, max: 128 }), fc.constantFrom(8, 16), (of, count, unit) => {
    const { rows, columns, depth } = cut(of, count, unit);
    const sums = depth < of.k ? 4 * rows * columns : 0;
    return (
      rows > 0 &&
      columns > 0 &&
      rows % 6 === 0 &&
      columns % unit === 0 &&
      4 * depth * columns <= PANELS &&
      (!of.transposeA || 4 * depth * rows <= PANELS) &&
      REGISTER_TILE + 2 * PANELS + sums <= SCRATCH_BYTES
    );
  });
  t.doesNotThrow(() => fc.assert(property, { numRuns: 2000 }));
});

t.test("large tiles come out even between the threads", async (t) => {
  const tiles = (size: ProductSize, count: number) => {
    const { rows, columns } = cut(size, count);
    return [Math.ceil(size.m / rows), Math.ceil(size.n / columns)];
  };
  const small = { m: 256, n: 1024, k: 1168, transposeA: true };
  t.same(tiles(small, 1), [1, 3]);
  t.same(tiles(small, 2), [1, 4]);
  t.same(tiles(small, 8), [1, 8]);
  t.same(tiles({ m: 768, n: 256, k: 1168, transposeA: true }, 2), [4, 1], "what copies least");
  t.same(tiles({ m: 264, n: 10, k: 5000, transposeA: false }, 2), [2, 1], "few columns");
  t.same(tiles({ m: 5, n: 10, k: 5000, transposeA: false }, 2), [1, 1], "too little to share");
});
