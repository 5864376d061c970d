import { CELL, coordinates, kernelSource, quotient, sumOf } from "../source.ts";
import type { GpuKernel } from "./types.ts";

/** Added to the denominators of padded rows and columns, and the least denominator: the definition's. */
const [PADDED, FLOOR] = ["10000.0", "1.0e-30"];

export const transport = {
  /** As the definition says it; Q = A ∘ Π is kept instead of the plan Π. */
  ipot: (...[launch, [cost, wordMask, patchMask], out, { beta, iterations }]: Parameters<GpuKernel<"ipot">>) => {
    const [B, M, N] = cost!.shape as [number, number, number];
    const [words, patches] = [wordMask!.cells, patchMask!.cells];
    const { code, names } = coordinates([B, N, M]);
    const [b, n, m] = names;
    const [word, patch] = [`${b} * ${M} + ${m}`, `${b} * ${N} + ${n}`];
    const count = (size: number) => {
      const total = sumOf("total", size, (k) => `mask[${CELL} * ${size} + ${k}]`);
      return kernelSource(["mask"], `${total}\nreturn total;`);
    };
    const numWords = launch(count(M), [words], B);
    const numPatches = launch(count(N), [patches], B);

    const similar = `Math.exp(-cost[(${b} * ${M} + ${m}) * ${N} + ${n}] / beta)`;
    const valid = `words[${word}] * patches[${patch}]`;
    const args = ["cost", "words", "patches", "beta"];
    const A = launch(
      kernelSource(args, `${code}return ${similar} * ${valid};`),
      [cost!.cells, words, patches, beta],
      out.size,
    );
    const evenly = `return words[${CELL}] / Math.max(numWords[${quotient(CELL, M)}], ${FLOOR});`;
    let sigma = launch(kernelSource(["words", "numWords"], evenly), [words, numWords], B * M);
    if (iterations === 0)
      return launch(kernelSource(["words", "patches"], `${code}return ${valid};`), [words, patches], out.size);

    // The scale of a row or column: 1 / (number · weighted sum + padding).
    const scale = (length: number, others: number, term: (at: string) => string) => {
      return `const sample = ${quotient(CELL, length)};
const own = ${CELL} - sample * ${length};
${sumOf("total", others, term)}
let padding = ${PADDED};
if (mask[${CELL}] !== 0.0) { padding = 0.0; }
return 1.0 / Math.max(number[sample] * total + padding, ${FLOOR});`;
    };
    const rowScale = scale(N, M, (k) => `Q[${CELL} * ${M} + ${k}] * sigma[sample * ${M} + ${k}]`);
    const columnScale = scale(M, N, (k) => `delta[sample * ${N} + ${k}] * Q[(sample * ${N} + ${k}) * ${M} + own]`);
    const plan = `delta[${patch}] * Q[${CELL}] * sigma[${word}]`;
    let Q = A;
    for (let i = 1; ; i++) {
      const delta = launch(
        kernelSource(["Q", "sigma", "number", "mask"], rowScale),
        [Q, sigma, numPatches, patches],
        B * N,
      );
      sigma = launch(kernelSource(["Q", "delta", "number", "mask"], columnScale), [Q, delta, numWords, words], B * M);
      if (i === iterations) {
        const last = kernelSource(["delta", "Q", "sigma", "words", "patches"], `${code}return ${plan} * ${valid};`);
        return launch(last, [delta, Q, sigma, words, patches], out.size);
      }
      Q = launch(
        kernelSource(["A", "delta", "Q", "sigma"], `${code}return A[${CELL}] * ${plan};`),
        [A, delta, Q, sigma],
        out.size,
      );
    }
  },
};
