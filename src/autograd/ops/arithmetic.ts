import type { Backend } from "../../tensor/backend.ts";
import { full } from "../../tensor/create.ts";
import { commonDType, type DType, isFloat } from "../../tensor/dtype.ts";
import { DTypeError } from "../../tensor/errors.ts";
import type { PrimitiveName, TensorMeta } from "../../tensor/kernels.ts";
import { broadcastShapes } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { noGrad } from "../graph.ts";
import { apply, definePrimitive } from "../primitive.ts";
import { sumTo } from "./reduce.ts";

/** An operand of element-wise arithmetic; a number takes the device and dtype of the other operand. */
export type Numeric = Tensor | number;

const constants = new WeakMap<Backend, Map<string, Tensor>>();
const MAX_CONSTANTS = 512;

/** A number as a tensor of rank 0; small tables of them are kept, since the same constants recur in every step. */
export function constant(
  value: number,
  { backend, dtype }: { backend: Backend; dtype: DType },
  operation = "constant",
): Tensor {
  const renew = (constants.get(backend)?.size ?? MAX_CONSTANTS) >= MAX_CONSTANTS;
  if (renew) constants.set(backend, new Map());
  const known = constants.get(backend)!;
  const key = `${dtype} ${Object.is(value, -0) ? "-0" : value}`;
  let tensor = known.get(key);
  if (!tensor) {
    if (!isFloat(dtype) && !Number.isInteger(value))
      throw new DTypeError(
        `${operation}: the number ${value} does not fit an ${dtype} operand; cast() the tensor first`,
      );
    tensor = noGrad(() => full([], value, { dtype, device: backend.name }).keep());
    known.set(key, tensor);
  }
  return tensor;
}

/** Both operands as tensors. */
export function operands(a: Numeric, b: Numeric, operation: string): [Tensor, Tensor] {
  if (typeof a !== "number") return [a, typeof b === "number" ? constant(b, a, operation) : b];
  if (typeof b !== "number") return [constant(a, b, operation), b];
  throw new DTypeError(`${operation}: two numbers; one operand must be a tensor`);
}

/** Shape and dtype of an element-wise operation with broadcasting. */
export function inferElementwise(name: PrimitiveName, inputs: readonly Tensor[], dtype?: DType): TensorMeta {
  const shape = inputs
    .slice(1)
    .reduce((s: readonly number[], x) => broadcastShapes(name, s, x.shape), inputs[0]!.shape);
  return { shape, dtype: dtype ?? commonDType(name, inputs) };
}

/** a + b. Pull-back: the gradient, summed over the axes each operand was broadcast along. */
export function add(a: Numeric, b: Numeric): Tensor {
  return apply(addPrimitive, operands(a, b, "add"), {});
}
const addPrimitive = definePrimitive("add", {
  infer: (inputs) => inferElementwise("add", inputs),
  vjp: ({ grad, inputs: [a, b] }) => [() => sumTo(grad, a!.shape), () => sumTo(grad, b!.shape)],
});

/** a − b. */
export function sub(a: Numeric, b: Numeric): Tensor {
  return apply(subPrimitive, operands(a, b, "sub"), {});
}
const subPrimitive = definePrimitive("sub", {
  infer: (inputs) => inferElementwise("sub", inputs),
  vjp: ({ grad, inputs: [a, b] }) => [() => sumTo(grad, a!.shape), () => sumTo(neg(grad), b!.shape)],
});

/** −x. */
export function neg(x: Tensor): Tensor {
  return apply(negPrimitive, [x], {});
}
const negPrimitive = definePrimitive("neg", {
  infer: (inputs) => inferElementwise("neg", inputs),
  vjp: ({ grad }) => [() => neg(grad)],
});

/** a · b, element by element. Pull-back: ā = c̄ b and b̄ = c̄ a. */
export function mul(a: Numeric, b: Numeric): Tensor {
  return apply(mulPrimitive, operands(a, b, "mul"), {});
}
const mulPrimitive = definePrimitive("mul", {
  infer: (inputs) => inferElementwise("mul", inputs),
  vjp: ({ grad, inputs: [a, b] }) => [() => sumTo(mul(grad, b!), a!.shape), () => sumTo(mul(grad, a!), b!.shape)],
});

/** a / b, as IEEE says where b is 0. Pull-back: ā = c̄ / b and b̄ = −c̄ (a / b) / b. */
export function div(a: Numeric, b: Numeric): Tensor {
  return apply(divPrimitive, operands(a, b, "div"), {});
}
const divPrimitive = definePrimitive("div", {
  infer(inputs) {
    const meta = inferElementwise("div", inputs);
    if (!isFloat(meta.dtype)) throw new DTypeError("div: int32 operands do not divide exactly; cast() them to float32");
    return meta;
  },
  vjp: ({ grad, inputs: [a, b], out }) => [
    () => sumTo(div(grad, b!), a!.shape),
    () => sumTo(neg(div(mul(grad, out), b!)), b!.shape),
  ],
});

/** x². */
export function square(x: Tensor): Tensor {
  return mul(x, x);
}

/** 1 / x. */
export function reciprocal(x: Tensor): Tensor {
  return div(1, x);
}
