import { commonDType } from "../../tensor/dtype.ts";
import { ShapeError } from "../../tensor/errors.ts";
import { broadcastShapes } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { apply, definePrimitive } from "../primitive.ts";
import { sumTo } from "./reduce.ts";

export interface MatmulOptions {
  /** Read the last two axes of that operand swapped; nothing is copied. */
  readonly transposeA?: boolean;
  readonly transposeB?: boolean;
}

/**
 * Batched matrix product, C[…, i, j] = Σₖ A[…, i, k] B[…, k, j].
 * Pull-back: Ā = C̄ Bᵀ and B̄ = Aᵀ C̄ (Giles 2008), summed over the axes each operand was broadcast along.
 *
 * @param a [...batchA, m, k]
 * @param b [...batchB, k, n]
 * @returns [...broadcast(batchA, batchB), m, n]
 * @throws {ShapeError} when k differs, an operand has fewer than two axes, or the batch axes do not broadcast
 */
export function matmul(a: Tensor, b: Tensor, { transposeA = false, transposeB = false }: MatmulOptions = {}): Tensor {
  return apply(matmulPrimitive, [a, b], { transposeA, transposeB });
}
const matmulPrimitive = definePrimitive("matmul", {
  infer([a, b], { transposeA, transposeB }) {
    if (a!.rank < 2 || b!.rank < 2)
      throw new ShapeError("matmul", "operands need two axes; reshape a vector first", a!, b!);
    const [m, k] = matrixShape(a!, transposeA);
    const [k2, n] = matrixShape(b!, transposeB);
    if (k !== k2) throw new ShapeError("matmul", "inner dimensions differ", a!, b!, ...hint(a!, b!, k, k2));
    const batch = broadcastShapes("matmul", a!.shape.slice(0, -2), b!.shape.slice(0, -2));
    return { shape: [...batch, m, n], dtype: commonDType("matmul", [a!, b!]) };
  },
  vjp: ({ grad, inputs: [a, b], attributes: { transposeA, transposeB } }) => [
    // With A' and B' the operands as read: Ā' = C̄ B'ᵀ and B̄' = A'ᵀ C̄, then swapped back if they were read swapped.
    () =>
      sumTo(
        transposeA
          ? matmul(b!, grad, { transposeA: transposeB, transposeB: true })
          : matmul(grad, b!, { transposeB: !transposeB }),
        a!.shape,
      ),
    () =>
      sumTo(
        transposeB
          ? matmul(grad, a!, { transposeA: true, transposeB: transposeA })
          : matmul(a!, grad, { transposeA: !transposeA }),
        b!.shape,
      ),
  ],
});

function matrixShape(x: Tensor, transposed: boolean): [number, number] {
  const [rows, columns] = x.shape.slice(-2) as [number, number];
  return transposed ? [columns, rows] : [rows, columns];
}

function hint(a: Tensor, b: Tensor, k: number, k2: number): string[] {
  return [`${k} against ${k2}${b.shape.at(-1) === k || a.shape.at(-2) === k2 ? ", transpose one?" : ""}`];
}
