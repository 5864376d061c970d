import fc from "fast-check";
import { attentionBackwardFused, attentionFused } from "../../../src/autograd/functions/attention.ts";
import { crossEntropyBackwardFused, crossEntropyFused } from "../../../src/autograd/functions/cross-entropy.ts";
import { matmulAddFused, matmulMulFused } from "../../../src/autograd/functions/fused-product.ts";
import { geluBackwardFused, geluFused } from "../../../src/autograd/functions/gelu.ts";
import { ipotFused } from "../../../src/autograd/functions/ipot.ts";
import {
  layerNormBackwardFused,
  layerNormBackwardWeightFused,
  layerNormFused,
} from "../../../src/autograd/functions/layer-norm.ts";
import { linearFused } from "../../../src/autograd/functions/linear.ts";
import { linearGeluFused } from "../../../src/autograd/functions/linear-gelu.ts";
import { logSoftmaxFused } from "../../../src/autograd/functions/log-softmax.ts";
import { softmaxBackwardFused, softmaxFused } from "../../../src/autograd/functions/softmax.ts";
import { sumOfSquaresFused } from "../../../src/autograd/functions/sum-of-squares.ts";
import type { Fused } from "../../../src/autograd/fused.ts";
import type { Attributes, FusedName, TensorMeta, UpdateName } from "../../../src/tensor/kernels.ts";
import { type Case, indices, length, type Sample } from "../harness.ts";
import { cells, mask, positive, sample, samplesOf } from "./draws.ts";

/** The definitions that the kernels must equal. */
export const fusedFunctions: { readonly [K in FusedName]: Fused<K> } = {
  ...{ linear: linearFused, gelu: geluFused, geluBackward: geluBackwardFused, softmax: softmaxFused },
  ...{ softmaxBackward: softmaxBackwardFused, logSoftmax: logSoftmaxFused, layerNorm: layerNormFused },
  ...{ layerNormBackward: layerNormBackwardFused, layerNormBackwardWeight: layerNormBackwardWeightFused },
  ...{ attention: attentionFused, attentionBackward: attentionBackwardFused, crossEntropy: crossEntropyFused },
  ...{ crossEntropyBackward: crossEntropyBackwardFused, ipot: ipotFused },
  ...{ sumOfSquares: sumOfSquaresFused, linearGelu: linearGeluFused, matmulAdd: matmulAddFused },
  matmulMul: matmulMulFused,
};

/** Rows that vary: those of equal cells have no variance, and what would be compared there is rounding alone. */
const spread = (x: Sample): Sample => ({ ...x, values: x.values.map((value, i) => value + Math.sin(7 * i)) });

const like = <K extends FusedName>(kernel: K, count: number, attributes: Attributes<K>) =>
  cells.chain((of) => samplesOf(of, count).map((inputs) => ({ kernel, inputs, out: inputs[0]!, attributes })));
/** Rows, and what has one cell a column. */
const rows = fc
  .tuple(length, fc.constantFrom(4, 7, 16, 33))
  .chain(([n, d]) => fc.tuple(sample([n, d]).map(spread), sample([n, d]), sample([d]), sample([d])));
const attributes = { eps: 1e-3 };
const heads = fc
  .tuple(
    ...[fc.constantFrom(1, 2), fc.constantFrom(2, 5, 13), fc.constantFrom(1, 2, 4), fc.constantFrom(3, 8)],
    fc.constantFrom(0, 1),
  )
  .chain(([B, N, numHeads, dh, silent]) => {
    const [d, queries] = [numHeads * dh, N - silent];
    const attributes = fc.constant({ numHeads, hasMask: true, queries });
    return fc.tuple(sample([B, N, 3 * d]), sample([B, queries, d]), mask([B, N]), attributes);
  });
const labelled = fc
  .tuple(length, length)
  .chain(([n, V]) =>
    fc.tuple(sample([n, V]), indices([n], V), sample([]), fc.constant<TensorMeta>({ shape: [], dtype: "float32" })),
  );
/** Calls of each fused kernel. */
export const fusedCases: { readonly [K in FusedName]: fc.Arbitrary<Case<K>> } = {
  linear: fc.tuple(length, length, length).chain(([m, n, k]) =>
    fc.tuple(sample([m, k]), sample([n, k]), sample([n]), sample([m, n])).map((inputs) => ({
      ...{ kernel: "linear", inputs, out: inputs[3], attributes: { hasBias: true, hasResidual: true } },
    })),
  ),
  linearGelu: fc.tuple(length, length, length).chain(([m, n, k]) =>
    fc.tuple(sample([m, k]), sample([n, k]), sample([n])).map((inputs) => ({
      ...{ kernel: "linearGelu", inputs, out: { shape: [m, n], dtype: "float32" }, attributes: { hasBias: true } },
    })),
  ),
  matmulAdd: fc.tuple(length, length, length).chain(([m, n, k]) =>
    fc.tuple(sample([k, m]), sample([k, n]), sample([m, n])).map((inputs) => ({
      ...{ kernel: "matmulAdd", inputs, out: inputs[2], attributes: { transposeA: true, transposeB: false } },
    })),
  ),
  matmulMul: fc.tuple(length, length, length).chain(([m, n, k]) =>
    fc.tuple(sample([m, k]), sample([n, k]), sample([m, n])).map((inputs) => ({
      ...{ kernel: "matmulMul", inputs, out: inputs[2], attributes: { transposeA: false, transposeB: true } },
    })),
  ),
  ...{ gelu: like("gelu", 1, {}), geluBackward: like("geluBackward", 2, {}) },
  ...{ softmax: like("softmax", 1, {}), softmaxBackward: like("softmaxBackward", 2, {}) },
  logSoftmax: like("logSoftmax", 1, {}),
  layerNorm: rows.map(([x, , w, b]) => ({ kernel: "layerNorm", inputs: [x, w, b], out: x, attributes })),
  layerNormBackward: fc.tuple(rows, fc.boolean()).map(([[x, g, w], hasAddend]) => ({
    ...{ kernel: "layerNormBackward", inputs: [x, w, g, ...(hasAddend ? [g] : [])], out: x, attributes },
  })),
  layerNormBackwardWeight: rows.map(([x, g, w]) => ({
    ...{ kernel: "layerNormBackwardWeight", inputs: [x, g], out: w, attributes },
  })),
  attention: heads.map(([qkv, out, which, attributes]) => ({
    ...{ kernel: "attention", inputs: [qkv, which], out, attributes },
  })),
  attentionBackward: heads.map(([qkv, grad, which, attributes]) => ({
    // Any numbers may stand for the output of the forward pass: the definition reads them as the kernel does.
    ...{ kernel: "attentionBackward", inputs: [qkv, grad, grad, which], out: qkv, attributes },
  })),
  crossEntropy: labelled.map(([x, labels, , out]) => ({
    kernel: "crossEntropy",
    inputs: [x, labels],
    out,
    attributes: {},
  })),
  crossEntropyBackward: labelled.map(([x, labels, g]) => ({
    ...{ kernel: "crossEntropyBackward", inputs: [x, labels, g], out: x, attributes: {} },
  })),
  sumOfSquares: fc.array(cells.chain(sample), { minLength: 1, maxLength: 4 }).map((inputs) => ({
    ...{ kernel: "sumOfSquares", inputs, out: { shape: [], dtype: "float32" }, attributes: {} },
  })),
  ipot: fc.tuple(fc.constantFrom(1, 2), length, length).chain(([B, M, N]) =>
    fc
      .tuple(sample([B, M, N], fc.double({ min: 0, max: 2, noNaN: true })), mask([B, M]), mask([B, N]))
      .map((inputs) => ({
        ...{
          kernel: "ipot",
          inputs,
          out: { shape: [B, N, M], dtype: "float32" },
          attributes: { beta: 0.5, iterations: 10 },
        },
      })),
  ),
};

const none = { shape: [0], dtype: "float32" } as const;
const scale: Sample = { shape: [], dtype: "float32", values: [0.5] };

/** Calls of each update in place. */
export const updateCases: { readonly [K in UpdateName]: fc.Arbitrary<Case<K>> } = {
  adamw: cells
    .chain((of) => fc.tuple(sample(of), sample(of), sample(of), sample(of, positive)))
    .map((inputs) => ({
      ...{ kernel: "adamw", inputs: [...inputs, scale], out: none },
      attributes: {
        ...{ beta1: 0.9, beta2: 0.98, eps: 1e-8, stepSize: 0.01 },
        ...{ gradientDecay: 0.3, decayBefore: 0.02, decayAfter: 0.01 },
      },
    })),
  sgd: cells
    .chain((of) => samplesOf(of, 3))
    .map((inputs) => ({
      ...{ kernel: "sgd", inputs: [...inputs, scale], out: none },
      attributes: { learningRate: 0.01, momentum: 0.9, nesterov: true, weightDecay: 0.1 },
    })),
};
