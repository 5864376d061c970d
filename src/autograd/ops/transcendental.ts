import { isFloat } from "../../tensor/dtype.ts";
import { DTypeError } from "../../tensor/errors.ts";
import type { PrimitiveName } from "../../tensor/kernels.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { apply, definePrimitive, type Primitive } from "../primitive.ts";
import { add, div, inferElementwise, mul, type Numeric, neg, operands, square, sub } from "./arithmetic.ts";
import { abs, maximum } from "./extrema.ts";
import { sumTo } from "./reduce.ts";
import { equal, greater, where } from "./select.ts";

type UnaryName =
  | "exp"
  | "expm1"
  | "log"
  | "log1p"
  | "sqrt"
  | "tanh"
  | "sigmoid"
  | "erf"
  | "erfc"
  | "normalCdf"
  | "sin"
  | "cos";

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

/** eˣ − 1 without the cancellation near 0; −1 at −∞; d/dx = eˣ. */
export function expm1(x: Tensor): Tensor {
  return apply(expm1Primitive, [x], {});
}
const expm1Primitive = defineUnary("expm1", (grad, x) => mul(grad, exp(x)));

/** Natural logarithm; −∞ at 0, NaN below; d/dx = 1/x. */
export function log(x: Tensor): Tensor {
  return apply(logPrimitive, [x], {});
}
const logPrimitive = defineUnary("log", (grad, x) => div(grad, x));

/** log(1 + x) without the cancellation near 0; −∞ at −1, NaN below; d/dx = 1 / (1 + x). */
export function log1p(x: Tensor): Tensor {
  return apply(log1pPrimitive, [x], {});
}
const log1pPrimitive = defineUnary("log1p", (grad, x) => div(grad, add(1, x)));

/** √x, correctly rounded as IEEE 754 asks; −0 at −0, NaN below 0; d/dx = 1 / (2√x), ∞ at 0. */
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

/** erfc x = 1 − erf x, without the cancellation where erf x is near 1; d/dx = −2/√π e^(−x²). */
export function erfc(x: Tensor): Tensor {
  return apply(erfcPrimitive, [x], {});
}
const erfcPrimitive = defineUnary("erfc", (grad, x) => mul(grad, mul(exp(neg(square(x))), -2 / Math.sqrt(Math.PI))));

/** Φ(x) = ½ erfc(−x / √2), the normal distribution function, exact in its far left tail too; d/dx = φ(x). */
export function normalCdf(x: Tensor): Tensor {
  return apply(normalCdfPrimitive, [x], {});
}
const normalCdfPrimitive = defineUnary("normalCdf", (grad, x) => mul(grad, normalDensity(x)));

/** φ(x) = e^(−x²/2) / √(2π), the normal density; d/dx = −x φ(x). */
export function normalDensity(x: Tensor): Tensor {
  return mul(exp(mul(square(x), -0.5)), 1 / Math.sqrt(2 * Math.PI));
}

/** sin x, x in radians; NaN at ±∞; d/dx = cos x. */
export function sin(x: Tensor): Tensor {
  return apply(sinPrimitive, [x], {});
}
const sinPrimitive = defineUnary("sin", (grad, x) => mul(grad, cos(x)));

/** cos x, x in radians; NaN at ±∞; d/dx = −sin x. */
export function cos(x: Tensor): Tensor {
  return apply(cosPrimitive, [x], {});
}
const cosPrimitive = defineUnary("cos", (grad, x) => neg(mul(grad, sin(x))));

/**
 * aᵇ for real exponents, with broadcasting; as IEEE 754 has it: 1 where b = 0 (NaN⁰ too) or a = 1, ∞ where a = 0 and
 * b < 0, NaN where a < 0 and b is not whole.
 *
 * Pull-back: ā = c̄ b aᵇ⁻¹ and b̄ = c̄ aᵇ log a. Where these are 0 · ∞ the limit counts: ā = 0 where b = 0 and a = 0, and
 * b̄ = 0 where aᵇ = 0 or a = b = 0. So at a = 0 the derivative is 0 for b = 0, 1 for b = 1, 0 for b = 2 and ∞ for b = ½.
 * For a < 0, b̄ is NaN: no neighbouring exponent has a real power.
 *
 * @throws {DTypeError} for int32 operands
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
    () => {
      const flat = mul(equal(b, 0), equal(greater(abs(a), 0), 0)); // b = 0, and a is 0 or NaN
      return sumTo(mul(grad, where(flat, 0, mul(b, pow(where(flat, 1, a), sub(b, 1))))), a.shape);
    },
    () => {
      const flat = maximum(equal(out, 0), mul(equal(a, 0), equal(b, 0)));
      return sumTo(mul(grad, where(flat, 0, mul(out, log(where(flat, 1, a))))), b.shape);
    },
  ],
});
