import { add, div, mul } from "../../src/autograd/ops/arithmetic.ts";
import { argmax, argmin, max } from "../../src/autograd/ops/extrema.ts";
import { gather, putAlongAxis, scatterAdd, takeAlongAxis } from "../../src/autograd/ops/indexing.ts";
import {
  concat,
  expandDims,
  pad,
  permute,
  reshape,
  select,
  slice,
  split,
  squeeze,
} from "../../src/autograd/ops/layout.ts";
import { matmul } from "../../src/autograd/ops/linalg.ts";
import { broadcastTo } from "../../src/autograd/ops/reduce.ts";
import { where } from "../../src/autograd/ops/select.ts";
import { exp } from "../../src/autograd/ops/transcendental.ts";
import { ints } from "../support.ts";
import { f32, f64, i32, type Row } from "./row.ts";

/** Primitives: arithmetic, layout, indexing, products. */
export const operations: readonly Row[] = [
  [() => add(1, 2), "add: two numbers; one operand must be a tensor"],
  [() => mul(i32(2), 0.5), "mul: the number 0.5 does not fit an int32 operand; cast() the tensor first"],
  [() => div(i32(2), i32(2)), "div: int32 operands do not divide exactly; cast() them to float32"],
  [() => exp(i32(2)), "exp: an int32 operand; cast() it to float32 first"],
  [() => max(f32(2, 0), 1), "max: an empty axis has no extremum: [2, 0]"],
  [() => argmax(f32(2, 0)), "argmax: an empty axis has no maximum: [2, 0]"],
  [() => argmin(f32(2, 0)), "argmin: an empty axis has no minimum: [2, 0]"],
  [
    () => where(f32(2), 1, f32(2)),
    "where: the condition is float32, not int32; compare first, for instance with greater(x, 0)",
  ],
  [() => gather(f32(5, 2), f32(3)), "gather: indices are float32, not int32; cast() them"],
  [() => gather(f32(), i32(3)), "gather: the table has no rows: []"],
  [() => gather(f64(5, 2), ints([7])), "gather: index 7 is outside [0, 5)"],
  [
    () => scatterAdd(f32(4, 2), i32(3), 5),
    "scatterAdd: the updates do not start with the indices' shape: [4, 2] and [3]",
  ],
  [
    () => takeAlongAxis(f32(4, 2), i32(3, 2), 1),
    "takeAlongAxis: the indices' shape differs beside axis 1: [4, 2] and [3, 2]",
  ],
  [
    () => putAlongAxis(f32(4, 2), i32(4), 1, 5),
    "putAlongAxis: the indices' shape differs beside axis -1: [4, 2] and [4]",
  ],
  [() => reshape(f32(2, 3), [4]), "reshape: 6 elements do not fit: [2, 3] and [4]"],
  [() => reshape(f32(2, 3), [-1, 4]), "reshape: 6 elements do not fit: [2, 3] and [-1, 4]"],
  [() => permute(f32(2, 3), [0, 0]), "permute: [0, 0] does not name each axis once: [2, 3]"],
  [() => expandDims(f32(2), 3), "expandDims: axis 3 is out of range for 2 axes"],
  [() => squeeze(f32(2, 3), 1), "squeeze: axis 1 has length 3, not 1: [2, 3]"],
  [() => slice(f32(4), 0, 0, 2, 0), "slice: a step of 0 is not a whole number other than 0: [4]"],
  [() => select(f32(4, 2), 0, 4), "select: index 4 is out of range for axis 0 of length 4: [4, 2]"],
  [() => pad(f32(4, 2), [1], [1]), "pad: widths [1] and [1] are not one for each axis, of at least 0: [4, 2]"],
  [() => concat([], 0), "concat: there is nothing to join, the list is empty"],
  [() => concat([f32(2, 3), f32(2, 4)], 0), "concat: lengths differ beside axis 0: [2, 3] and [2, 4]"],
  [() => split(f32(4), [1, 2], 0), "split: lengths add up to 3, not to axis 0: [4]"],
  [() => broadcastTo(f32(2, 3), [3]), "broadcastTo: the first does not broadcast to the second: [2, 3] and [3]"],
  [() => matmul(f32(2, 3), f32(4, 5)), "matmul: inner dimensions differ: [2, 3] and [4, 5]; 3 against 4"],
  [
    () => matmul(f32(2, 3), f32(2, 3)),
    "matmul: inner dimensions differ: [2, 3] and [2, 3]; 3 against 2, transpose one?",
  ],
  [() => matmul(f32(), f32(2, 3)), "matmul: a number has no axes; mul() scales: [] and [2, 3]"],
  [() => matmul(f32(3), f32(4, 5)), "matmul: inner dimensions differ: [3] and [4, 5]; 3 against 4"],
  [() => matmul(f32(3), f32(3, 5), { transposeA: true }), "matmul: a vector has no two axes to swap: [3] and [3, 5]"],
];
