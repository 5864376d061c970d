import { commonDType } from "../../tensor/dtype.ts";
import { sizeOf } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { mul } from "../ops/arithmetic.ts";
import { permute, reshape, slice } from "../ops/layout.ts";
import { matmul } from "../ops/linalg.ts";
import { sum } from "../ops/reduce.ts";
import { parseEquation } from "./einsum-equation.ts";

/** A tensor and the label of each of its axes, no label twice. */
interface Labelled {
  readonly x: Tensor;
  readonly labels: readonly string[];
}

/**
 * Sum of products over labelled axes (Einstein's convention, numpy's notation): `"bij,bjk->bik"` is
 * C[b, i, k] = Σⱼ A[b, i, j] B[b, j, k].
 *
 * Each letter names an axis. A letter that stands twice in one operand reads its diagonal; one that is missing in the
 * output is summed over, to 0 where the axis is empty. `…`, written `...`, stands for leading axes that broadcast.
 * Without `->` the output is `...` and the letters that occur once, capitals first, in alphabetical order. An axis of
 * length 1 broadcasts against the same letter of another operand.
 *
 * Operands are joined from left to right, each pair by one batched matrix product; for three and more the order in
 * which they are written decides what it costs. Pull-back: that of the products, diagonals and sums it is made of.
 *
 * @throws {ShapeError} for an equation that cannot be read, or operands that do not fit it
 */
export function einsum(equation: string, ...tensors: readonly Tensor[]): Tensor {
  const { inputs, output } = parseEquation(
    equation,
    tensors.map(({ shape }) => shape),
  );
  commonDType("einsum", tensors);
  const operands = tensors.map((x, i) => diagonal({ x, labels: inputs[i]! }));
  const joined = operands.reduce((a, b, i) => {
    const later = new Set([...output, ...operands.slice(i + 1).flatMap(({ labels }) => labels)]);
    return contract(sumOthers(a, [...later, ...b.labels]), sumOthers(b, [...later, ...a.labels]), later);
  });
  return align(sumOthers(joined, output), output);
}

/** Reads the diagonal of every label that stands twice: cells 0, n + 1, 2 (n + 1) … of the two axes as one. */
function diagonal({ x, labels }: Labelled): Labelled {
  const second = labels.findIndex((label, axis) => labels.indexOf(label) < axis);
  if (second < 0) return { x, labels };
  const first = labels.indexOf(labels[second]!);
  const others = labels.flatMap((_, axis) => (axis === first || axis === second ? [] : [axis]));
  const n = x.shape[first]!;
  const last = reshape(permuted(x, [...others, first, second]), [...others.map((axis) => x.shape[axis]!), n * n]);
  return diagonal({
    x: slice(last, -1, 0, undefined, n + 1),
    labels: [...others, first].map((axis) => labels[axis]!),
  });
}

/** Sums over the axes whose label nobody needs. */
function sumOthers({ x, labels }: Labelled, needed: readonly string[]): Labelled {
  const axes = labels.flatMap((label, axis) => (needed.includes(label) ? [] : [axis]));
  return axes.length ? { x: sum(x, axes), labels: labels.filter((label) => needed.includes(label)) } : { x, labels };
}

/**
 * Joins two operands: labels of both that are needed `later` are batch axes, the others are summed. Labels of one alone
 * are rows and columns, so that it is C[batch, rows, columns] = Σ A[batch, rows, inner] B[batch, inner, columns].
 */
function contract(a: Labelled, b: Labelled, later: ReadonlySet<string>): Labelled {
  const shared = a.labels.filter((label) => b.labels.includes(label));
  const narrow = shared.filter((label) => !later.has(label) && lengthOf(a, label) !== lengthOf(b, label));
  if (narrow.length) {
    // Σⱼ A[…, 0] B[…, j] = A[…, 0] Σⱼ B[…, j]: an axis of length 1 is dropped, the other summed first.
    const without = (x: Labelled) =>
      sumOthers(
        x,
        x.labels.filter((label) => !narrow.includes(label)),
      );
    return contract(without(a), without(b), later);
  }
  const batch = shared.filter((label) => later.has(label));
  const inner = shared.filter((label) => !later.has(label));
  const rows = a.labels.filter((label) => !shared.includes(label));
  const columns = b.labels.filter((label) => !shared.includes(label));
  if (inner.length === 0 || (rows.length === 0 && columns.length === 0)) {
    const labels = [...batch, ...rows, ...columns, ...inner];
    return sumOthers({ x: mul(align(a, labels), align(b, labels)), labels }, [...later]);
  }
  const [left, transposeA] = asMatrices(a, batch, rows, inner);
  const [right, transposeB] = asMatrices(b, batch, inner, columns);
  const product = matmul(left, right, { transposeA, transposeB });
  const lengths = [...rows.map((label) => lengthOf(a, label)), ...columns.map((label) => lengthOf(b, label))];
  return {
    x: reshape(product, [...product.shape.slice(0, batch.length), ...lengths]),
    labels: [...batch, ...rows, ...columns],
  };
}

/** [...batch, Π first, Π second], or with the last two axes swapped where the tensor stands so already. */
function asMatrices(
  { x, labels }: Labelled,
  batch: readonly string[],
  first: readonly string[],
  second: readonly string[],
): [Tensor, boolean] {
  const swapped = labels.join() === [...batch, ...second, ...first].join() && first.length > 0 && second.length > 0;
  const groups = swapped ? [second, first] : [first, second];
  const aligned = align({ x, labels }, [...batch, ...groups.flat()]);
  const lengths = groups.map((group) => sizeOf(group.map((label) => lengthOf({ x, labels }, label))));
  return [reshape(aligned, [...aligned.shape.slice(0, batch.length), ...lengths]), swapped];
}

const lengthOf = ({ x, labels }: Labelled, label: string): number => x.shape[labels.indexOf(label)]!;

/** The axes in the order of `target`, with length 1 where the tensor lacks a label. */
function align({ x, labels }: Labelled, target: readonly string[]): Tensor {
  const present = target.filter((label) => labels.includes(label));
  const ordered = permuted(
    x,
    present.map((label) => labels.indexOf(label)),
  );
  return reshape(
    ordered,
    target.map((label) => (labels.includes(label) ? lengthOf({ x, labels }, label) : 1)),
  );
}

function permuted(x: Tensor, axes: readonly number[]): Tensor {
  return axes.every((axis, i) => axis === i) ? x : permute(x, axes);
}
