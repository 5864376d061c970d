import { Binary, Kernel, Unary } from "../assembly/kernel.ts";
import { addressOf } from "../device.ts";
import { fold } from "./fold.ts";
import type { HostKernels, PlainKernel } from "./types.ts";

/** Arguments; see `assembly/elementwise.ts`. */
const OPERATION = 4;
const DROPOUT_CELLS = 8192;

/** About how long a cell takes: what memory gives, and a polynomial with a division. */
const PLAIN = 0.4;
const POLYNOMIAL = 2;

export const elementwise = {
  add: binary(Binary.add, Binary.addInt),
  sub: binary(Binary.sub, Binary.subInt),
  mul: binary(Binary.mul, Binary.mulInt),
  div: binary(Binary.div, null),
  maximum: binary(Binary.maximum, Binary.maximumInt),
  minimum: binary(Binary.minimum, Binary.minimumInt),
  equal: binary(Binary.equal, Binary.equalInt),
  less: binary(Binary.less, Binary.lessInt),
  lessEqual: binary(Binary.lessEqual, Binary.lessEqualInt),
  neg: unary(Unary.neg, Unary.negInt),
  abs: unary(Unary.abs, Unary.absInt),
  sign: unary(Unary.sign, Unary.signInt),
  sqrt: unary(Unary.sqrt, null),
  exp: unary(Unary.exp, null, POLYNOMIAL),
  log: unary(Unary.log, null, POLYNOMIAL),
  tanh: unary(Unary.tanh, null, POLYNOMIAL),
  sigmoid: unary(Unary.sigmoid, null, POLYNOMIAL),
  erf: unary(Unary.erf, null, POLYNOMIAL),
  gelu: unary(Unary.gelu, null, POLYNOMIAL),
  geluBackward: binary(Binary.geluBackward, null, POLYNOMIAL),
  broadcastTo: unary(Unary.copy, Unary.copy),
  cast(device, inputs, out) {
    const from = inputs[0]!.dtype;
    const to = out.dtype;
    device.ints[OPERATION] = from === to ? Unary.copy : to === "int32" ? Unary.toInt : Unary.toFloat;
    device.run(Kernel.unary, fold(device, inputs, out), PLAIN * out.storage.size);
    return true;
  },
  where(device, inputs, out) {
    if (inputs[0]!.dtype !== "int32") return false;
    device.run(Kernel.where, fold(device, inputs, out), PLAIN * out.storage.size);
    return true;
  },
  dropout(device, [x], out, { probability, seed }) {
    const { ints, floats } = device;
    const { size } = out.storage;
    ints[0] = addressOf(out);
    ints[1] = addressOf(x!);
    ints[5] = size;
    ints[6] = DROPOUT_CELLS;
    ints[7] = seed;
    floats[8] = probability;
    floats[9] = 1 / (1 - probability);
    device.run(Kernel.dropout, Math.ceil(size / DROPOUT_CELLS), size);
    return true;
  },
} satisfies HostKernels;

/** @param int the operation on int32, null where `cpu` does it */
function unary(float: Unary, int: Unary | null, cost = PLAIN): PlainKernel {
  return (device, inputs, out) => {
    const operation = inputs[0]!.dtype === "int32" ? int : float;
    if (operation === null) return false;
    device.ints[OPERATION] = operation;
    device.run(Kernel.unary, fold(device, inputs, out), cost * out.storage.size);
    return true;
  };
}

function binary(float: Binary, int: Binary | null, cost = PLAIN): PlainKernel {
  return (device, inputs, out) => {
    const operation = inputs[0]!.dtype === "int32" ? int : float;
    if (operation === null) return false;
    device.ints[OPERATION] = operation;
    device.run(Kernel.binary, fold(device, inputs, out), cost * out.storage.size);
    return true;
  };
}
