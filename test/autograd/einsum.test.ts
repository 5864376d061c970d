import fc from "fast-check";
import t from "tap";
import { einsum } from "../../src/autograd/functions/einsum.ts";
import { checkGrads } from "../../src/autograd/gradcheck.ts";
import { matmul } from "../../src/autograd/ops/linalg.ts";
import { tensor, zeros } from "../../src/tensor/create.ts";
import { broadcastShapes } from "../../src/tensor/shape.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { draw, exact, ints, values } from "../support.ts";

/** Σ over all indices, one cell at a time; an axis of length 1 reads its only cell. */
function naiveEinsum(inputs: readonly string[][], output: readonly string[], xs: readonly Tensor[]) {
  const lengths = new Map<string, number>();
  inputs.forEach((labels, i) => {
    for (const [axis, label] of labels.entries())
      if ((lengths.get(label) ?? 1) === 1) lengths.set(label, xs[i]!.shape[axis]!);
  });
  const summed = [...lengths.keys()].filter((label) => !output.includes(label));
  const data = xs.map((x) => x.dataSync());
  const at = new Map<string, number>();
  const product = () =>
    inputs.reduce((value, labels, i) => {
      const { shape } = xs[i]!;
      const offset = labels.reduce((o, label, axis) => o * shape[axis]! + (shape[axis] === 1 ? 0 : at.get(label)!), 0);
      return value * data[i]![offset]!;
    }, 1);
  const over = (labels: readonly string[], visit: () => void): void => {
    const [label, ...rest] = labels;
    if (label === undefined) visit();
    else
      for (let i = 0; i < lengths.get(label)!; i++) {
        at.set(label, i);
        over(rest, visit);
      }
  };
  const out: number[] = [];
  over(output, () => {
    let total = 0;
    over(summed, () => {
      total += product();
    });
    out.push(total);
  });
  return { shape: output.map((label) => lengths.get(label)!), out };
}

/** One to three operands over the letters a B c d and up to two axes under `...`, with some axes of length 1. */
const cases = fc
  .record({
    terms: fc.array(
      fc.record({
        letters: fc.array(fc.constantFrom("a", "B", "c", "d"), { maxLength: 3 }),
        covered: fc.integer({ min: 0, max: 2 }),
        at: fc.nat(3),
      }),
      { minLength: 1, maxLength: 3 },
    ),
    lengths: fc.tuple(...Array.from({ length: 6 }, () => fc.integer({ min: 0, max: 3 }))),
    narrow: fc.array(fc.boolean(), { minLength: 18, maxLength: 18 }),
    order: fc.array(fc.nat(9), { minLength: 4, maxLength: 4 }),
    explicit: fc.boolean(),
    seed: fc.nat(1000),
  })
  .map(({ terms, lengths, narrow, order, explicit, seed }) => {
    const known = new Map(["a", "B", "c", "d", "~2", "~1"].map((label, i) => [label, lengths[i]!]));
    const covered = Math.max(...terms.map((term) => term.covered));
    const inputs = terms.map((term) => {
      const at = Math.min(term.at, term.letters.length);
      return [...term.letters.slice(0, at), ...["~2", "~1"].slice(2 - term.covered), ...term.letters.slice(at)];
    });
    const written = inputs.map((labels, i) => {
      const at = Math.min(terms[i]!.at, terms[i]!.letters.length);
      const letters = labels.filter((label) => label.length === 1);
      return covered ? [...letters.slice(0, at), "...", ...letters.slice(at)].join("") : letters.join("");
    });
    const letters = inputs.flat().filter((label) => label.length === 1);
    const implicit = letters.filter((label) => letters.indexOf(label) === letters.lastIndexOf(label)).sort();
    const chosen = [...new Set(letters)].filter((_, i) => order[i]! > 3).sort((a, b) => known.get(a)! - known.get(b)!);
    const leading = ["~2", "~1"].slice(2 - covered);
    const output = explicit ? [...chosen, ...leading] : [...leading, ...implicit];
    const equation = `${written.join(", ")}${explicit ? `->${chosen.join("")}${covered ? "..." : ""}` : ""}`;
    const xs = inputs.map((labels, i) =>
      draw(
        labels.map((label) => (narrow[i * 6 + [...known.keys()].indexOf(label)] ? 1 : known.get(label)!)),
        seed + i,
      ),
    );
    return { equation, inputs, output, xs };
  });

t.test("einsum: any equation equals the sum over all indices", async (t) => {
  fc.assert(
    fc.property(cases, ({ equation, inputs, output, xs }) => {
      const { shape, out } = naiveEinsum(inputs, output, xs);
      const actual = einsum(equation, ...xs);
      t.same(actual.shape, shape, equation);
      const error = Math.max(0, ...values(actual).map((v, i) => Math.abs(v - out[i]!)));
      if (!(error < 1e-12)) t.fail(`${equation} differs by ${error}`);
    }),
    { numRuns: 400 },
  );
});

t.test("einsum: names of linear algebra", async (t) => {
  const x = tensor(
    [
      [1, 2],
      [3, 4],
    ],
    exact,
  );
  t.same(values(einsum("ij,jk", x, x)), [7, 10, 15, 22], "product");
  t.same(values(einsum("ij,kj->ik", x, x)), [5, 11, 11, 25], "with the second transposed");
  t.same(values(einsum("ba", x)), [1, 3, 2, 4], "transposed, since the output is alphabetical");
  t.same(values(einsum("ii", x)), [5], "trace");
  t.same(values(einsum("ii->i", x)), [1, 4], "diagonal");
  t.same(values(einsum("ij->", x)), [10], "sum");
  t.same(values(einsum("i,j->ij", tensor([1, 2], exact), tensor([3, 4, 5], exact))), [3, 4, 5, 6, 8, 10], "outer");
  t.same(values(einsum("ij,ij->ij", x, x)), [1, 4, 9, 16], "element by element");
  t.same(values(einsum("ij,ij", x, x)), [30], "inner product");
  t.same(values(einsum(",ij->ij", tensor(2, exact), x)), [2, 4, 6, 8], "a number");
  t.same(values(einsum("i,ij,j->", tensor([1, 2], exact), x, tensor([3, 4], exact))), [61], "quadratic form");
  t.same(values(einsum("ij,jk", ints([1, 2, 3, 4], [2, 2]), ints([1, 0, 0, 2], [2, 2]))), [1, 4, 3, 8], "int32");
});

t.test("einsum: attention, with heads as a batch axis", async (t) => {
  const [q, k] = [draw([2, 5, 3, 4], 1), draw([2, 6, 3, 4], 2)];
  const scores = einsum("bnhd,bmhd->bhnm", q, k);
  const expected = matmul(einsum("bnhd->bhnd", q), einsum("bmhd->bhmd", k), { transposeB: true });
  t.same(scores.shape, [2, 3, 5, 6]);
  t.same(values(scores), values(expected));
});

t.test("einsum: derivatives to second order", async (t) => {
  const apply =
    (equation: string) =>
    (...xs: Tensor[]) =>
      einsum(equation, ...xs);
  checkGrads(t, apply("bij,bjk->bki"), [draw([2, 3, 4], 1), draw([2, 4, 2], 2)]);
  checkGrads(t, apply("ij,jk,kl->il"), [draw([2, 3], 1), draw([3, 1], 2), draw([4, 2], 3)]);
  checkGrads(t, apply("iij,j->i"), [draw([3, 3, 2], 1), draw([2], 2)]);
  checkGrads(t, apply("...i,...i->..."), [draw([2, 1, 3], 1), draw([4, 3], 2)]);
  checkGrads(t, (x: Tensor) => einsum("ij,ij,ij->i", x, x, x), [draw([2, 3])]);
  checkGrads(t, (x: Tensor) => einsum("ii,ii->i", x, x), [draw([3, 3])]);
});

t.test("einsum: an axis of length 0 adds up to 0, one of length 1 broadcasts", async (t) => {
  t.same(values(einsum("ij,jk", zeros([2, 0], exact), zeros([0, 3], exact))), [0, 0, 0, 0, 0, 0]);
  t.same(einsum("ii->i", zeros([0, 0], exact)).shape, [0]);
  const [a, b] = [draw([2, 1], 1), draw([3, 2], 2)];
  t.same(einsum("ij,jk", a, b).shape, broadcastShapes("test", [2, 1], [1, 2]));
});

t.test("einsum: errors name the label, both lengths and the equation", async (t) => {
  const [a, b] = [draw([2, 3]), draw([4, 5])];
  const fails = (message: string, equation: string, ...xs: Tensor[]) =>
    t.throws(() => einsum(equation, ...xs), { name: "ShapeError", message: `einsum: ${message}` });
  fails('label j has the lengths 3 and 4 in "ij,jk": [2, 3] and [4, 5]', "ij,jk", a, b);
  fails('label i has the lengths 2 and 3 in operand 0 in "ii": [2, 3]', "ii", a);
  fails('label k of the output is in no operand in "ij->ik"', "ij->ik", a);
  fails('label i stands twice in the output in "ij->ii"', "ij->ii", a);
  fails('"i" does not name each axis of operand 0 in "i->i": [2, 3]; begin it with ...', "i->i", a);
  fails('"ijk" does not name each axis of operand 0 in "ijk": [2, 3]', "ijk", a);
  fails('2 operands for 1 tensors in "ij,jk"', "ij,jk", a);
  fails('the axes under ... are missing in the output in "...j->j"; name them to sum over them', "...j->j", a);
  fails('... stands twice in one operand in "...i..."', "...i...", a);
  fails('"1" is no letter in "i1"', "i1", a);
  fails('-> stands twice in "ij->i->j"', "ij->i->j", a);
  t.throws(() => einsum("ij,ij", a, ints([1, 2, 3, 4, 5, 6], [2, 3])), {
    message: "einsum: operands are float64 and int32; convert one with cast()",
  });
});

t.test("matmul of vectors", async (t) => {
  const m = tensor(
    [
      [1, 2, 3],
      [4, 5, 6],
    ],
    exact,
  );
  const [u, v] = [tensor([1, -1], exact), tensor([1, 0, 2], exact)];
  const dot = matmul(v, v);
  t.same([dot.shape, values(dot)], [[], [5]]);
  t.same(values(matmul(m, v)), [7, 16]);
  t.same(values(matmul(u, m)), [-3, -3, -3]);
  t.same(values(matmul(m, u, { transposeA: true })), [-3, -3, -3]);
  t.same(values(matmul(v, m, { transposeB: true })), [7, 16]);
  t.same(matmul(draw([4, 1, 2, 3]), draw([3])).shape, [4, 1, 2]);
  t.same(matmul(draw([2]), draw([4, 2, 3])).shape, [4, 3]);
  t.same(values(matmul(zeros([0], exact), zeros([0], exact))), [0], "nothing adds up to 0");
  const product = (a: Tensor, b: Tensor) => matmul(a, b);
  checkGrads(t, product, [draw([3], 1), draw([3], 2)]);
  checkGrads(t, product, [draw([2, 4, 3], 1), draw([3], 2)]);
  checkGrads(t, product, [draw([3], 1), draw([2, 3, 4], 2)]);
  checkGrads(t, (x: Tensor) => matmul(x, x), [draw([3])]);
  t.throws(() => matmul(v, m), {
    message: "matmul: inner dimensions differ: [3] and [2, 3]; 3 against 2, transpose one?",
  });
  t.throws(() => matmul(u, v), { message: "matmul: inner dimensions differ: [2] and [3]; 2 against 3" });
  t.throws(() => matmul(v, m, { transposeA: true }), {
    message: "matmul: a vector has no two axes to swap: [3] and [2, 3]",
  });
  t.throws(() => matmul(m, tensor(2, exact)), { message: "matmul: a number has no axes; mul() scales: [2, 3] and []" });
});
