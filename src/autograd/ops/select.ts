import { checkDType } from "../../tensor/backend.ts";
import { commonDType, type DType } from "../../tensor/dtype.ts";
import { DTypeError } from "../../tensor/errors.ts";
import { broadcastShapes } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { apply, definePrimitive } from "../primitive.ts";
import { inferElementwise, type Numeric, operands } from "./arithmetic.ts";
import { sumTo } from "./reduce.ts";

const compare = (name: "equal" | "less" | "lessEqual") =>
  definePrimitive(name, {
    infer(inputs) {
      commonDType(name, inputs);
      return inferElementwise(name, inputs, "int32");
    },
    vjp: "none",
  });
const [equalPrimitive, lessPrimitive, lessEqualPrimitive] = [compare("equal"), compare("less"), compare("lessEqual")];

/** 1 where a = b, else 0, as int32; NaN equals nothing. No derivative. */
export function equal(a: Numeric, b: Numeric): Tensor {
  return apply(equalPrimitive, operands(a, b, "equal"), {});
}

/** 1 where a ≠ b, else 0, as int32; NaN differs from everything, itself too. */
export function notEqual(a: Numeric, b: Numeric): Tensor {
  return equal(equal(a, b), 0);
}

/** 1 where a < b, else 0, as int32. */
export function less(a: Numeric, b: Numeric): Tensor {
  return apply(lessPrimitive, operands(a, b, "less"), {});
}

/** 1 where a ≤ b, else 0, as int32. */
export function lessEqual(a: Numeric, b: Numeric): Tensor {
  return apply(lessEqualPrimitive, operands(a, b, "lessEqual"), {});
}

/** 1 where a > b, else 0, as int32. */
export function greater(a: Numeric, b: Numeric): Tensor {
  return less(b, a);
}

/** 1 where a ≥ b, else 0, as int32. */
export function greaterEqual(a: Numeric, b: Numeric): Tensor {
  return lessEqual(b, a);
}

/**
 * x where the condition is not 0, y elsewhere, with broadcasting. What is not chosen gets a gradient of exactly 0,
 * even where its own derivative is infinite.
 *
 * @param condition int32
 */
export function where(condition: Tensor, x: Numeric, y: Numeric): Tensor {
  return apply(wherePrimitive, [condition, ...operands(x, y, "where")], {});
}
const wherePrimitive = definePrimitive("where", {
  infer([condition, x, y]) {
    if (condition!.dtype !== "int32")
      throw new DTypeError(
        `where: the condition is ${condition!.dtype}, not int32; compare first, for instance with greater(x, 0)`,
      );
    const values = inferElementwise("where", [x!, y!]);
    return { shape: broadcastShapes("where", condition!.shape, values.shape), dtype: values.dtype };
  },
  vjp: ({ grad, inputs: [condition, x, y] }) => [
    null,
    () => sumTo(where(condition!, grad, 0), x!.shape),
    () => sumTo(where(condition!, 0, grad), y!.shape),
  ],
});

/** The values as another dtype; floats become int32 by truncation. Gradients flow between float dtypes only. */
export function cast(x: Tensor, dtype: DType): Tensor {
  checkDType("cast", x.backend, dtype);
  return apply(castPrimitive(dtype), [x], {});
}
const castPrimitive = (dtype: DType) =>
  definePrimitive("cast", {
    infer: ([x]) => ({ shape: x!.shape, dtype }),
    vjp:
      dtype === "int32"
        ? "none"
        : ({ grad, inputs: [x] }) => [x!.dtype === "int32" ? null : () => cast(grad, x!.dtype)],
  });
