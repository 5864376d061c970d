import { Unary } from "./kernel";
import { erf, exp, gelu, log, sigmoid, tanh } from "./mathematics";

/** One vector of an element-wise function; `operation` is a constant where this is inlined. */
// @ts-expect-error: decorator
@inline
export function applyUnary(operation: i32, x: v128): v128 {
  if (operation === Unary.neg) return f32x4.neg(x);
  if (operation === Unary.abs) return f32x4.abs(x);
  if (operation === Unary.sqrt) return f32x4.sqrt(x);
  if (operation === Unary.exp) return exp(x);
  if (operation === Unary.log) return log(x);
  if (operation === Unary.tanh) return tanh(x);
  if (operation === Unary.sigmoid) return sigmoid(x);
  if (operation === Unary.erf) return erf(x);
  if (operation === Unary.gelu) return gelu(x);
  if (operation === Unary.toFloat) return f32x4.convert_i32x4_s(x);
  return x;
}

/** The functions without a loop of their own. No arithmetic of floats: the compiler may compute all and choose afterwards. */
export function applyRareUnary(operation: i32, x: v128): v128 {
  if (operation === Unary.sign) return sign(x);
  if (operation === Unary.negInt) return i32x4.neg(x);
  if (operation === Unary.absInt) return i32x4.abs(x);
  if (operation === Unary.signInt) return i32x4.sub(i32x4.shr_s(x, 31), i32x4.shr_s(i32x4.neg(x), 31));
  return toInt(x);
}

/** Drops the fraction; what int32 cannot hold wraps modulo 2³², NaN and ±∞ give 0. */
// @ts-expect-error: decorator
@inline
function toInt(x: v128): v128 {
  const fits = f32x4.lt(f32x4.abs(x), f32x4.splat(2147483648));
  return i32x4.all_true(fits) ? i32x4.trunc_sat_f32x4_s(x) : wrapLanes(x);
}

function wrapLanes(x: v128): v128 {
  return i32x4(
    wrap(f32x4.extract_lane(x, 0)),
    wrap(f32x4.extract_lane(x, 1)),
    wrap(f32x4.extract_lane(x, 2)),
    wrap(f32x4.extract_lane(x, 3)),
  );
}

/** From 2⁶³ on, all floats are multiples of 2³². */
function wrap(x: f32): i32 {
  return abs(x) < 9223372036854775808.0 ? <i32>(<i64>x) : 0;
}

/** −1, 0 or 1; zeros keep their sign and NaN stays. */
// @ts-expect-error: decorator
@inline
function sign(x: v128): v128 {
  const one = v128.bitselect(f32x4.splat(1), x, i32x4.splat(0x7fffffff));
  const isSigned = v128.or(f32x4.lt(x, f32x4.splat(0)), f32x4.gt(x, f32x4.splat(0)));
  return v128.bitselect(one, x, isSigned);
}
