import fc from "fast-check";
import * as v from "../../../src/browser.ts";
import type { Tensor } from "../../../src/tensor/tensor.ts";
import { apart, broadcasting, call, floats, full, ints, maybe, type Row, small, together, upTo } from "./cases.ts";

/** The shape of one operand of a matrix product. */
const matrix = (batch: readonly number[], rows: number, columns: number, transposed: boolean) =>
  transposed ? [...batch, columns, rows] : [...batch, rows, columns];

export const products: Readonly<Record<string, Row>> = {
  matmul: {
    calls: fc.oneof(
      fc
        .tuple(small, fc.nat(3), small, maybe, maybe, fc.constantFrom([[], []], [[2], [2]], [[2, 1], [3]], [[], [2]]))
        .chain(([m, k, n, transposeA, transposeB, [batchA, batchB]]) => {
          const [a, b] = [matrix(batchA!, m, k, transposeA), matrix(batchB!, k, n, transposeB)];
          const options = { transposeA, transposeB };
          return call(fc.tuple(floats(a), floats(b)), (a, b) => v.matmul(a, b, options), options);
        }),
      fc.tuple(small, small, maybe).chain(([m, k, left]) => {
        const [a, b] = left ? [[k], [k, m]] : [[m, k], [k]];
        return call(fc.tuple(floats(a), floats(b)), (a, b) => v.matmul(a, b));
      }),
    ),
  },
  linear: {
    calls: fc.tuple(full(0, 2), small, small, maybe, maybe).chain(([lead, n, m, hasBias, hasResidual]) => {
      const all = [[...lead, n], [m, n], ...(hasBias ? [[m]] : []), ...(hasResidual ? [[...lead, m]] : [])];
      return call(fc.tuple(...all.map((shape) => floats(shape))), (x, weight, ...others) =>
        v.linear(x, weight, hasBias ? others[0] : null, hasResidual ? others.at(-1) : undefined),
      );
    }),
  },
  linearGelu: {
    calls: fc.tuple(full(0, 2), small, small, maybe).chain(([lead, n, m, hasBias]) => {
      const all = [[...lead, n], [m, n], ...(hasBias ? [[m]] : [])];
      return call(fc.tuple(...all.map((shape) => floats(shape))), (x, weight, bias) => v.linearGelu(x, weight, bias));
    }),
  },
  feedForward: {
    calls: fc.tuple(full(0, 2), small, small, maybe).chain(([lead, d, inner, hasResidual]) => {
      const x = [...lead, d];
      const all = [x, [inner, d], [inner], [d, inner], [d], ...(hasResidual ? [x] : [])];
      return call(
        fc.tuple(...all.map((shape) => floats(shape))),
        (x, expand, expandBias, contract, contractBias, residual) => {
          const [into, back] = [
            { weight: expand, bias: expandBias },
            { weight: contract, bias: contractBias },
          ];
          return v.feedForward(x, into, back, residual);
        },
      );
    }),
  },
  attention: attend(v.attention),
  attentionWeights: attend(v.attentionWeights),
  cosineDistance: {
    calls: fc.tuple(small, small, small, small).chain(([B, M, N, d]) =>
      call(
        together(
          [
            [B, M, d],
            [B, N, d],
          ],
          apart,
        ),
        (a, b) => v.cosineDistance(a, b),
      ),
    ),
    tolerance: { relative: 2e-5, absolute: 2e-4 },
  },
  cosineSimilarity: {
    calls: broadcasting(2).chain(([a, b]) => {
      const [one, other] = [
        [...a!, 3],
        [...b!, 3],
      ];
      return call(together([one, other], apart), (a, b) => v.cosineSimilarity(a, b));
    }),
    tolerance: { relative: 2e-5, absolute: 2e-4 },
  },
  einsum: {
    calls: fc
      .constantFrom<[string, ...number[][]]>(
        ["ij,jk->ik", [2, 3], [3, 4]],
        ["bij,bjk->bik", [2, 2, 3], [2, 3, 1]],
        ["i,j->ij", [3], [2]],
        ["ij->ji", [2, 3]],
        ["ij->", [2, 3]],
        ["ii->i", [3, 3]],
        ["ij,ij->i", [2, 3], [2, 3]],
        ["...i,ij->...j", [2, 2, 3], [3, 2]],
        ["bnhd,bmhd->bhnm", [1, 2, 2, 2], [1, 3, 2, 2]],
        ["ij,jk,kl->il", [2, 2], [2, 3], [3, 1]],
      )
      .chain(([equation, ...all]) =>
        call(fc.tuple(...all.map((shape) => floats(shape))), (...xs) => v.einsum(equation, ...xs), { equation }),
      ),
  },
  scaledDotProductAttention: {
    calls: fc
      .tuple(full(0, 1), small, small, small, small, maybe, maybe)
      .chain(([lead, N, M, dh, dv, causal, hasMask]) => {
        const all = [
          [...lead, N, dh],
          [...lead, M, dh],
          [...lead, M, dv],
        ].map((shape) => floats(shape));
        const mask = hasMask ? [ints([N, M], 0, 1)] : [];
        return call(
          fc.tuple(...all, ...mask),
          (q, k, v_, mask) => v.scaledDotProductAttention(q!, k!, v_!, { causal, ...(mask && { mask }) }),
          { causal, hasMask },
        );
      }),
  },
  scaledDotProductWeights: {
    calls: fc
      .tuple(full(0, 1), small, small, small)
      .chain(([lead, N, M, dh]) =>
        call(fc.tuple(floats([...lead, N, dh]), floats([...lead, M, dh]), ints([N, M], 0, 1)), (q, k, mask) =>
          v.scaledDotProductWeights(q, k, mask, 0.5),
        ),
      ),
  },
};

function attend(f: (qkv: Tensor, numHeads: number, mask?: Tensor, queries?: number) => Tensor): Row {
  const calls = fc
    .tuple(small, small, upTo(2), upTo(2), maybe, maybe)
    .chain(([B, N, numHeads, dh, hasMask, areAll]) => {
      const qkv = floats([B, N, 3 * numHeads * dh]);
      const queries = areAll ? N : Math.min(1, N);
      const attributes = { numHeads, queries };
      if (!hasMask) return call(fc.tuple(qkv), (x) => f(x, numHeads, undefined, queries), attributes);
      return call(fc.tuple(qkv, ints([B, N], 0, 1)), (x, mask) => f(x, numHeads, mask, queries), attributes);
    });
  return { calls };
}
