import { Binary } from "./kernel";
import { geluDerivative } from "./mathematics";

/** One vector of an element-wise function of two operands; `operation` is a constant where this is inlined. */
// @ts-expect-error: decorator
@inline
export function applyBinary(operation: i32, x: v128, y: v128): v128 {
  if (operation === Binary.add) return f32x4.add(x, y);
  if (operation === Binary.sub) return f32x4.sub(x, y);
  if (operation === Binary.mul) return f32x4.mul(x, y);
  if (operation === Binary.div) return f32x4.div(x, y);
  return f32x4.mul(geluDerivative(x), y);
}

/** The functions without a loop of their own. */
export function applyRareBinary(operation: i32, x: v128, y: v128): v128 {
  if (operation === Binary.maximum) return f32x4.max(x, y);
  if (operation === Binary.minimum) return f32x4.min(x, y);
  if (operation === Binary.equal) return truth(f32x4.eq(x, y));
  if (operation === Binary.less) return truth(f32x4.lt(x, y));
  if (operation === Binary.lessEqual) return truth(f32x4.le(x, y));
  if (operation === Binary.addInt) return i32x4.add(x, y);
  if (operation === Binary.subInt) return i32x4.sub(x, y);
  if (operation === Binary.mulInt) return i32x4.mul(x, y);
  if (operation === Binary.maximumInt) return i32x4.max_s(x, y);
  if (operation === Binary.minimumInt) return i32x4.min_s(x, y);
  if (operation === Binary.equalInt) return truth(i32x4.eq(x, y));
  if (operation === Binary.lessInt) return truth(i32x4.lt_s(x, y));
  return truth(i32x4.le_s(x, y));
}

/** 1 where all bits are set, else 0. */
// @ts-expect-error: decorator
@inline
function truth(mask: v128): v128 {
  return v128.and(mask, i32x4.splat(1));
}
