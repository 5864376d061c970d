import type { JointName, KernelName } from "../../../src/tensor/kernels.ts";
import type { Tolerance } from "../../contract/harness.ts";

const EXACT: Tolerance = {};
/** Half a unit in the last place of float32 is 6e-8 of a number: one rounding. */
const ROUNDED: Tolerance = { relative: 6e-8 };
/** Some roundings; the driver's division and powers are among them. */
const NEAR: Tolerance = { relative: 5e-7, absolute: 2e-7 };
/** Sums of up to some hundred products. */
const SUMMED: Tolerance = { relative: 2e-6, absolute: 2e-6 };
/** SwiftShader's sine and cosine are the only functions left to the driver that are this coarse. */
const COARSE: Tolerance = { absolute: 2e-4 };

/** What a kernel of `gpu` may differ by from `cpu` in float64, in a browser's modes. */
export const tolerances: { readonly [K in Exclude<KernelName, JointName>]: Tolerance } = {
  ...{ neg: EXACT, abs: EXACT, sign: EXACT, maximum: EXACT, minimum: EXACT },
  ...{ equal: EXACT, less: EXACT, lessEqual: EXACT, where: EXACT, cast: EXACT },
  ...{ max: EXACT, min: EXACT, argmax: EXACT, argsort: EXACT },
  ...{
    permute: EXACT,
    broadcastTo: EXACT,
    slice: EXACT,
    pad: EXACT,
    concat: EXACT,
    gather: EXACT,
    takeAlongAxis: EXACT,
  },
  ...{ add: ROUNDED, sub: ROUNDED, mul: ROUNDED, dropout: NEAR, div: NEAR, sqrt: NEAR, pow: NEAR },
  ...{ exp: NEAR, expm1: NEAR, log: NEAR, log1p: NEAR, tanh: NEAR, sigmoid: NEAR },
  ...{ erf: NEAR, erfc: NEAR, normalCdf: NEAR, gelu: NEAR, geluBackward: NEAR, sin: COARSE, cos: COARSE },
  ...{ sum: SUMMED, prod: SUMMED, cumsum: SUMMED, scatterAdd: SUMMED, putAlongAxis: SUMMED },
  ...{
    matmul: SUMMED,
    linear: SUMMED,
    linearGelu: SUMMED,
    matmulAdd: SUMMED,
    matmulMul: SUMMED,
    layerNorm: SUMMED,
    layerNormBackward: SUMMED,
    layerNormBackwardWeight: SUMMED,
  },
  ...{ softmax: NEAR, softmaxBackward: SUMMED, logSoftmax: SUMMED, attention: SUMMED, attentionBackward: SUMMED },
  ...{ crossEntropy: SUMMED, crossEntropyBackward: NEAR, ipot: SUMMED, sumOfSquares: SUMMED, adamw: NEAR, sgd: NEAR },
};
