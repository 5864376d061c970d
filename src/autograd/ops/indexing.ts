import { DTypeError, ShapeError } from "../../tensor/errors.ts";
import { normalizeAxis } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { apply, definePrimitive } from "../primitive.ts";

function checkIndices(operation: string, indices: Tensor): void {
  if (indices.dtype !== "int32")
    throw new DTypeError(`${operation}: indices are ${indices.dtype}, not int32; cast() them`);
}

/**
 * Rows of a table: out[i…] = table[indices[i…]].
 * Pull-back: each row's gradients added up (scatterAdd).
 *
 * @param table [n, ...row]
 * @param indices int32 of any shape, each in [0, n)
 * @returns [...indices.shape, ...row]
 * @throws {RangeError} when an index is out of range
 */
export function gather(table: Tensor, indices: Tensor): Tensor {
  return apply(gatherPrimitive, [table, indices], {});
}
const gatherPrimitive = definePrimitive("gather", {
  infer([table, indices]) {
    checkIndices("gather", indices!);
    if (table!.rank === 0) throw new ShapeError("gather", "the table has no rows", table!);
    return { shape: [...indices!.shape, ...table!.shape.slice(1)], dtype: table!.dtype };
  },
  vjp: ({ grad, inputs: [table, indices] }) => [() => scatterAdd(grad, indices!, table!.shape[0]!), null],
});

/**
 * Adds rows up by index: out[k] = Σ updates[i…] over indices[i…] = k. Pull-back: gather.
 *
 * @param updates [...indices.shape, ...row]
 * @param rows number of rows of the result
 * @returns [rows, ...row]
 */
export function scatterAdd(updates: Tensor, indices: Tensor, rows: number): Tensor {
  return apply(scatterAddPrimitive(rows), [updates, indices], {});
}
const scatterAddPrimitive = (rows: number) =>
  definePrimitive("scatterAdd", {
    infer([updates, indices]) {
      checkIndices("scatterAdd", indices!);
      if (indices!.shape.some((n, axis) => n !== updates!.shape[axis]))
        throw new ShapeError("scatterAdd", "the updates do not start with the indices' shape", updates!, indices!);
      return { shape: [rows, ...updates!.shape.slice(indices!.rank)], dtype: updates!.dtype };
    },
    vjp: ({ grad, inputs: [, indices] }) => [() => gather(grad, indices!), null],
  });

/**
 * Reads along one axis by index: out[…, i, …] = x[…, indices[…, i, …], …]. Pull-back: putAlongAxis.
 *
 * @param indices int32, of x's shape but for the length of `axis`
 */
export function takeAlongAxis(x: Tensor, indices: Tensor, axis: number): Tensor {
  return apply(takePrimitive, [x, indices], { axis: normalizeAxis("takeAlongAxis", axis, x.rank) });
}
const takePrimitive = definePrimitive("takeAlongAxis", {
  infer([x, indices], { axis }) {
    checkIndices("takeAlongAxis", indices!);
    checkBeside("takeAlongAxis", x!, indices!, axis);
    return { shape: indices!.shape, dtype: x!.dtype };
  },
  vjp: ({ grad, inputs: [x, indices], attributes: { axis } }) => [
    () => putAlongAxis(grad, indices!, axis, x!.shape[axis]!),
    null,
  ],
});

/** Adds `updates` into zeros along one axis by index; `length` is the result's length there. Pull-back: takeAlongAxis. */
export function putAlongAxis(updates: Tensor, indices: Tensor, axis: number, length: number): Tensor {
  return apply(putPrimitive(length), [updates, indices], { axis: normalizeAxis("putAlongAxis", axis, updates.rank) });
}
const putPrimitive = (length: number) =>
  definePrimitive("putAlongAxis", {
    infer([updates, indices], { axis }) {
      checkIndices("putAlongAxis", indices!);
      checkBeside("putAlongAxis", updates!, indices!, -1);
      return { shape: updates!.shape.map((n, i) => (i === axis ? length : n)), dtype: updates!.dtype };
    },
    vjp: ({ grad, inputs: [, indices], attributes: { axis } }) => [() => takeAlongAxis(grad, indices!, axis), null],
  });

function checkBeside(operation: string, x: Tensor, indices: Tensor, axis: number): void {
  if (x.rank !== indices.rank || x.shape.some((n, i) => i !== axis && n !== indices.shape[i]))
    throw new ShapeError(operation, `the indices' shape differs beside axis ${axis}`, x, indices);
}
