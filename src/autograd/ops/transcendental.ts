import { isFloat } from "../../tensor/dtype.ts";
import { DTypeError } from "../../tensor/errors.ts";
import type { PrimitiveName } from "../../tensor/kernels.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { apply, definePrimitive, type Primitive } from "../primitive.ts";
import { div, inferElementwise, mul, type Numeric, neg, operands, square, sub } from "./arithmetic.ts";
import { sumTo } from "./reduce.ts";
import { equal, where } from "./select.ts";

type UnaryName = "exp" | "log" | "sqrt" | "tanh" | "sigmoid" | "erf" | "sin" | "cos";

/** A function of one float operand, with x̄ as a function of (ȳ, x, y). */
function defineUnary<K extends UnaryName>(
  name: K,
  pullBack: (grad: Tensor, x: Tensor, out: Tensor) => Tensor,
): Primitive<UnaryName> {
  return definePrimitive<UnaryName>(name, {
    infer: ([x]) => ({ shape: x!.shape, dtype: floatOnly(name, x!).dtype }),
    vjp: ({ grad, inputs: [x], out }) => [() => pullBack(grad, x!, out)],
  });
}

function floatOnly(name: PrimitiveName, x: Tensor): Tensor {
  if (!isFloat(x.dtype)) throw new DTypeError(`${name}: an ${x.dtype} operand; cast() it to float32 first`);
  return x;
}

/** eˣ; d/dx = eˣ. */
export function exp(x: Tensor): Tensor {
  return apply(expPrimitive, [x], {});
}
const expPrimitive = defineUnary("exp", (grad, _x, out) => mul(grad, out));

/** Natural logarithm; −∞ at 0, NaN below; d/dx = 1/x. */
export function log(x: Tensor): Tensor {
  return apply(logPrimitive, [x], {});
}
const logPrimitive = defineUnary("log", (grad, x) => div(grad, x));

/** √x; NaN below 0; d/dx = 1 / (2√x), ∞ at 0. */
export function sqrt(x: Tensor): Tensor {
  return apply(sqrtPrimitive, [x], {});
}
const sqrtPrimitive = defineUnary("sqrt", (grad, _x, out) => div(mul(grad, 0.5), out));

/** 1 / √x. */
export function rsqrt(x: Tensor): Tensor {
  return div(1, sqrt(x));
}

/** tanh x; d/dx = 1 − tanh² x. */
export function tanh(x: Tensor): Tensor {
  return apply(tanhPrimitive, [x], {});
}
const tanhPrimitive = defineUnary("tanh", (grad, _x, out) => mul(grad, sub(1, square(out))));

/** 1 / (1 + e⁻ˣ); d/dx = y (1 − y). */
export function sigmoid(x: Tensor): Tensor {
  return apply(sigmoidPrimitive, [x], {});
}
const sigmoidPrimitive = defineUnary("sigmoid", (grad, _x, out) => mul(grad, mul(out, sub(1, out))));

/** The error function, 2/√π ∫₀ˣ e^(−t²) dt; d/dx = 2/√π e^(−x²). */
export function erf(x: Tensor): Tensor {
  return apply(erfPrimitive, [x], {});
}
const erfPrimitive = defineUnary("erf", (grad, x) => mul(grad, mul(exp(neg(square(x))), 2 / Math.sqrt(Math.PI))));

export function sin(x: Tensor): Tensor {
  return apply(sinPrimitive, [x], {});
}
const sinPrimitive = defineUnary("sin", (grad, x) => mul(grad, cos(x)));

export function cos(x: Tensor): Tensor {
  return apply(cosPrimitive, [x], {});
}
const cosPrimitive = defineUnary("cos", (grad, x) => neg(mul(grad, sin(x))));

/**
 * aᵇ for real exponents. Pull-back: ā = c̄ b aᵇ⁻¹, which is 0 where b = 0, and b̄ = c̄ aᵇ log a, which is 0 where
 * a = 0 and b ≥ 0 (the limit from the right).
 */
export function pow(a: Numeric, b: Numeric): Tensor {
  return apply(powPrimitive, operands(a, b, "pow"), {});
}
const powPrimitive = definePrimitive("pow", {
  infer: (inputs) =>
    inferElementwise(
      "pow",
      inputs.map((x) => floatOnly("pow", x)),
    ),
  vjp: ({ grad, inputs: [a, b], out }) => [
    () => sumTo(mul(grad, where(equal(b!, 0), 0, mul(b!, pow(a!, sub(b!, 1))))), a!.shape),
    () => sumTo(mul(grad, where(equal(out, 0), 0, mul(out, log(where(equal(a!, 0), 1, a!))))), b!.shape),
  ],
});
