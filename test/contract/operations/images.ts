import fc from "fast-check";
import * as v from "../../../src/browser.ts";
import type { Tensor } from "../../../src/tensor/tensor.ts";
import { any, apart, call, type Draw, floats, maybe, type Row, small, upTo } from "./cases.ts";

const side = fc.integer({ min: 3, max: 5 });

/** Convolutions of so many axes: all options, with kernels that fit. */
function convolution(axes: 1 | 2): Row {
  const sides = fc.array(side, { minLength: axes, maxLength: axes });
  const kernels = fc.array(upTo(2), { minLength: axes, maxLength: axes });
  const options = fc.record({
    stride: upTo(2),
    padding: fc.constantFrom(0, 1, "same" as const),
    dilation: upTo(2),
    groups: upTo(2),
  });
  const calls = fc
    .tuple(sides, kernels, options, maybe, upTo(2))
    .chain(([lengths, kernel, { padding, ...drawn }, hasBias, B]) => {
      const settings = { ...drawn, padding, stride: padding === "same" ? 1 : drawn.stride };
      const { groups } = settings;
      const all = [floats([B, groups, ...lengths]), floats([2 * groups, 1, ...kernel])];
      const f = axes === 1 ? v.conv1d : v.conv2d;
      return call(
        fc.tuple(...all, ...(hasBias ? [floats([2 * groups])] : [])),
        (x, weight, bias) => f(x!, weight!, { ...settings, ...(bias && { bias }) }),
        settings,
      );
    });
  return { calls };
}

/** Pooling over so many axes. */
function pooling<O>(
  axes: 1 | 2,
  draw: Draw,
  others: fc.Arbitrary<O>,
  f: (x: Tensor, kernel: number, options: O & Common) => Tensor,
): Row {
  const sides = fc.array(side, { minLength: axes, maxLength: axes });
  const common = fc.record({ stride: upTo(3), padding: fc.nat(1) });
  const calls = fc
    .tuple(sides, small, common, others, fc.integer({ min: 2, max: 3 }))
    .chain(([lengths, lead, drawn, more, kernel]) => {
      const options = { ...drawn, ...more };
      return call(fc.tuple(floats([lead, ...lengths], draw)), (x) => f(x, kernel, options), { kernel, ...options });
    });
  return { calls };
}
interface Common {
  readonly stride: number;
  readonly padding: number;
}
const zeros = fc.record({ countIncludePad: maybe });

export const images: Readonly<Record<string, Row>> = {
  conv1d: convolution(1),
  conv2d: convolution(2),
  maxPool1d: pooling(1, apart, fc.constant({}), v.maxPool1d),
  maxPool2d: pooling(2, apart, fc.constant({}), v.maxPool2d),
  avgPool1d: pooling(1, any, zeros, v.avgPool1d),
  avgPool2d: pooling(2, any, zeros, v.avgPool2d),
  resizeBilinear: {
    calls: fc.tuple(small, upTo(4), upTo(4), upTo(6), upTo(6), maybe).chain(([lead, H, W, h, w, alignCorners]) =>
      call(fc.tuple(floats([lead, H, W])), (x) => v.resizeBilinear(x, [h, w], { alignCorners }), {
        h,
        w,
        alignCorners,
      }),
    ),
  },
};
