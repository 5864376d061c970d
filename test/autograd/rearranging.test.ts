import t from "tap";
import { embedding } from "../../src/autograd/functions/embedding.ts";
import { oneHot } from "../../src/autograd/functions/one-hot.ts";
import { roll } from "../../src/autograd/functions/roll.ts";
import { tile } from "../../src/autograd/functions/tile.ts";
import { grad } from "../../src/autograd/grad.ts";
import { checkGrads } from "../../src/autograd/gradcheck.ts";
import { variable } from "../../src/autograd/graph.ts";
import { mul } from "../../src/autograd/ops/arithmetic.ts";
import { matmul } from "../../src/autograd/ops/linalg.ts";
import { sum } from "../../src/autograd/ops/reduce.ts";
import { fromArray, tensor } from "../../src/tensor/create.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { draw, exact, ints, values } from "../support.ts";

const rows = tensor(
  [
    [1, 2, 3],
    [4, 5, 6],
  ],
  exact,
);
const square = (x: Tensor) => mul(x, x);

t.test("roll: along an axis, several, or through the whole tensor", async (t) => {
  t.same(values(roll(rows, 1, 1)), [3, 1, 2, 6, 4, 5]);
  t.same(values(roll(rows, -1, -1)), [2, 3, 1, 5, 6, 4]);
  t.same(values(roll(rows, [1, 4], [0, 1])), [6, 4, 5, 3, 1, 2]);
  t.same(values(roll(rows, 2)), [5, 6, 1, 2, 3, 4]);
  t.same(roll(rows, 2).shape, [2, 3]);
  for (const shift of [0, 3, -6]) t.same(values(roll(rows, shift, 1)), values(rows), `by ${shift}`);
  t.same(roll(fromArray([], [0, 2], exact), 1, 0).shape, [0, 2]);
  t.same(roll(tensor(3, exact), 5).item(), 3, "rank 0");
  for (const axis of [0, 1, 2]) checkGrads(t, (x: Tensor) => square(roll(x, 2, axis)), [draw([2, 3, 4])]);
  checkGrads(t, (x: Tensor) => square(roll(x, -5)), [draw([3, 4])]);
  t.throws(() => roll(rows, [1, 2], 0), { message: "roll: 2 shifts for 1 axes: [2, 3]" });
  t.throws(() => roll(rows, [1, 2]), { message: /roll: 2 shifts for 0 axes/ });
  t.throws(() => roll(rows, 0.5, 0), { message: /roll: a shift of 0.5 is not whole/ });
  t.throws(() => roll(rows, 1, 2), { message: /roll: axis 2 is out of range/ });
});

t.test("tile: numpy's rule for ranks that differ", async (t) => {
  t.same(values(tile(rows, [1, 2])), [1, 2, 3, 1, 2, 3, 4, 5, 6, 4, 5, 6]);
  t.same(values(tile(rows, [2])), values(tile(rows, [1, 2])));
  t.same(values(tile(rows, [2, 1])), [1, 2, 3, 4, 5, 6, 1, 2, 3, 4, 5, 6]);
  t.same(tile(rows, [4, 1, 2]).shape, [4, 2, 6]);
  t.same(tile(rows, []).shape, [2, 3]);
  t.same(tile(rows, [0, 2]).shape, [0, 6]);
  t.same(values(tile(tensor(7, exact), [3])), [7, 7, 7], "rank 0");
  checkGrads(t, (x: Tensor) => square(tile(x, [2, 1, 3])), [draw([2, 3])]);
  t.throws(() => tile(rows, [1.5]), { message: /tile: \[1.5\] are not whole/ });
  t.throws(() => tile(rows, [-1, 2]), { message: /tile: \[-1, 2\] are not whole, non-negative/ });
});

t.test("oneHot: one 1 in each row", async (t) => {
  const hot = oneHot(ints([2, 0]), 3);
  t.same([values(hot), hot.shape, hot.dtype], [[0, 0, 1, 1, 0, 0], [2, 3], "float32"]);
  t.same(oneHot(ints([1, 0, 1, 1], [2, 2]), 2, { dtype: "int32" }).shape, [2, 2, 2]);
  t.same(values(oneHot(ints([1], []), 2)), [0, 1], "rank 0");
  t.same(oneHot(ints([], [0]), 4).shape, [0, 4]);
  t.throws(() => oneHot(ints([3]), 3), { message: /index 3 is outside \[0, 3\)/ });
  t.throws(() => oneHot(ints([-1]), 3), { message: /index -1 is outside/ });
  t.throws(() => oneHot(ints([0]), 1.5), { message: /oneHot: 1.5 is not a number of classes: \[1\]/ });
  t.throws(() => oneHot(rows, 9), { message: /indices are float64, not int32/ });
});

t.test("embedding is the product with one-hot rows; the padding row gets no gradient", async (t) => {
  const ids = ints([2, 0, 2, 1], [2, 2]);
  const table = draw([4, 3]);
  t.same(embedding(table, ids).shape, [2, 2, 3]);
  t.same(values(embedding(table, ids)), values(matmul(oneHot(ids, 4, { dtype: "float64" }), table)));
  checkGrads(t, (x: Tensor) => square(embedding(x, ids)), [table]);
  const leaf = variable(table);
  const rowSums = (paddingIndex: number | null) =>
    values(sum(grad(sum(embedding(leaf, ids, { paddingIndex })), [leaf])[0], 1));
  t.same(rowSums(null), [3, 3, 6, 0]);
  t.same(rowSums(2), [3, 3, 0, 0]);
  t.same(values(embedding(table, ids, { paddingIndex: 2 })), values(embedding(table, ids)));
  t.throws(() => embedding(table, ints([4])), { message: /index 4 is outside \[0, 4\)/ });
  t.throws(() => embedding(table, table), { message: /indices are float64, not int32/ });
});
