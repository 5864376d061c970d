import type { AttentionAttributes } from "../../../kernels.ts";
import type { Cells } from "../cells.ts";
import { CELL, coordinates, kernelSource, loop, quotient, sumOf } from "../source.ts";
import { pairOfRow } from "./rows.ts";
import type { GpuKernel, GpuOperand, Launch } from "./types.ts";

/** Sizes of packed projections qkv [B, N, 3d], d = h · dh, of which the first M tokens ask. */
interface Sizes {
  readonly B: number;
  readonly N: number;
  readonly M: number;
  readonly h: number;
  readonly dh: number;
}

/** Unlike on `wasm`, the weights [B, h, M, N] are kept for the time of a call: a thread computes one cell, not a row. */
export const attention = {
  attention: (...[launch, [qkv, mask], out, attributes]: Parameters<GpuKernel<"attention">>) => {
    const sizes = sizesOf(qkv!, attributes);
    const { B, N, M, h, dh } = sizes;
    const weights = weightsOf(launch, qkv!, mask, sizes);
    const { code, names } = coordinates([B, M, h, dh]);
    const [b, i, head, c] = names;
    const body = `${code}const row = ((${b} * ${h} + ${head}) * ${M} + ${i}) * ${N};
${sumOf("total", N, (j) => `weights[row + ${j}] * qkv[${at(sizes, 2, b!, j, head!, c!)}]`)}
return total;`;
    return launch(kernelSource(["weights", "qkv"], body), [weights, qkv!.cells], out.size);
  },
  /** With P the weights, D = rows of Σ Ō ∘ O and S̄ = P ∘ (Ō Vᵀ − D) / √dh:  Q̄ = S̄ K, K̄ = S̄ᵀ Q, V̄ = Pᵀ Ō. */
  attentionBackward: (
    ...[launch, [qkv, y, grad, mask], out, attributes]: Parameters<GpuKernel<"attentionBackward">>
  ) => {
    const sizes = sizesOf(qkv!, attributes);
    const { B, N, M, h, dh } = sizes;
    const weights = weightsOf(launch, qkv!, mask, sizes);
    const scores = gradScores(launch, weights, [qkv!.cells, y!.cells, grad!.cells], sizes);
    const { code, names } = coordinates([B, N, 3, h, dh]);
    const [b, i, part, head, c] = names;
    const first = `(${b} * ${h} + ${head}) * ${M * N}`; // of the head's M × N
    const term = (cell: string, factor: string) => (j: string) =>
      `${cell.replaceAll("J", j)} * ${factor.replaceAll("J", j)}`;
    const sum = (name: string, count: number, cell: string, factor: string) => sumOf(name, count, term(cell, factor));
    const body = `${code}const first = ${first};
const own = ${i};
let result = 0.0;
if (${part} < 0.5 && own < ${M}) {
${sum("ofQuery", N, `scores[first + own * ${N} + J]`, `qkv[${at(sizes, 1, b!, "J", head!, c!)}]`)}
result = ofQuery;
}
if (${part} > 0.5 && ${part} < 1.5) {
${sum("ofKey", M, `scores[first + J * ${N} + own]`, `qkv[${at(sizes, 0, b!, "J", head!, c!)}]`)}
result = ofKey;
}
if (${part} > 1.5) {
${sum("ofValue", M, `weights[first + J * ${N} + own]`, `grad[${joined(sizes, b!, "J", head!, c!)}]`)}
result = ofValue;
}
return result;`;
    const args = ["weights", "scores", "qkv", "grad"];
    return launch(kernelSource(args, body), [weights, scores, qkv!.cells, grad!.cells], out.size);
  },
};

function sizesOf({ shape }: GpuOperand, { numHeads: h, queries: M }: AttentionAttributes): Sizes {
  const [B, N, width] = shape as [number, number, number];
  return { B, N, M, h, dh: width / 3 / h };
}

/** Position in qkv of part 0 (query), 1 (key) or 2 (value), token n, cell c of a head. */
function at({ N, h, dh }: Sizes, part: number, b: string, n: string, head: string, c: string): string {
  return `((${b} * ${N} + ${n}) * 3 + ${part}) * ${h * dh} + ${head} * ${dh} + ${c}`;
}

/** Position in a tensor [B, M, d]. */
function joined({ M, h, dh }: Sizes, b: string, n: string, head: string, c: string): string {
  return `(${b} * ${M} + ${n}) * ${h * dh} + ${head} * ${dh} + ${c}`;
}

/** softmax(Q Kᵀ / √dh) [B, h, M, N]; excluded keys get 0, and so does every key of a query without any. */
function weightsOf(launch: Launch, qkv: GpuOperand, mask: GpuOperand | undefined, sizes: Sizes): Cells {
  const { B, N, M, h, dh } = sizes;
  const { code, names } = coordinates([B, h, M, N]);
  const [b, head, i, j] = names;
  const product = sumOf("total", dh, (c) => {
    const query = `qkv[${at(sizes, 0, b!, i!, head!, c)}]`;
    return `${query} * qkv[${at(sizes, 1, b!, j!, head!, c)}]`;
  });
  const dots = kernelSource(["qkv", "scale"], `${code}${product}\nreturn total * scale;`);
  const scores = launch(dots, [qkv.cells, dh ** -0.5], B * h * M * N);
  const known = { scores, ...(mask && { mask: mask.cells }) };
  // What follows looks at allowed keys alone. A row of scores has its sample in row / (h M).
  const sample = `const sample = ${quotient("row", h * M)};`;
  const allowed = (body: string) => loop("k", N, mask ? `if (mask[sample * ${N} + k] !== 0.0) { ${body} }` : body);
  const greatest = `${sample}
value = -Infinity;
${allowed(`value = Math.max(value, scores[row * ${N} + k]);`)}`;
  const sum = `const top = value;
let total = 0.0;
${allowed(`total += Math.exp(scores[row * ${N} + k] - top);`)}
value = total;`;
  const stats = launch(kernelSource(Object.keys(known), pairOfRow(greatest, sum)), Object.values(known), 2 * B * h * M);
  const share = `const row = ${quotient(CELL, N)};
const key = ${CELL} - row * ${N};
${sample}
let weight = 0.0;
${mask ? `if (mask[sample * ${N} + key] !== 0.0) {` : "if (key >= 0.0) {"}
weight = Math.exp(scores[${CELL}] - stats[2 * row]) / stats[2 * row + 1];
}
return weight;`;
  const all = { ...known, stats };
  return launch(kernelSource(Object.keys(all), share), Object.values(all), B * h * M * N);
}

/** P ∘ (Ō Vᵀ − D) / √dh, [B, h, M, N]. */
function gradScores(launch: Launch, weights: Cells, [qkv, y, grad]: readonly Cells[], sizes: Sizes): Cells {
  const { B, N, M, h, dh } = sizes;
  const rows = coordinates([B, h, M]);
  const [rowB, rowHead, rowI] = rows.names;
  const own = (c: string) => joined(sizes, rowB!, rowI!, rowHead!, c);
  const dot = launch(
    kernelSource(
      ["y", "grad"],
      `${rows.code}${sumOf("total", dh, (c) => `grad[${own(c)}] * y[${own(c)}]`)}\nreturn total;`,
    ),
    [y!, grad!],
    B * h * M,
  );
  const { code, names } = coordinates([B, h, M, N]);
  const [b, head, i, j] = names;
  const product = sumOf("total", dh, (c) => {
    const gradient = `grad[${joined(sizes, b!, i!, head!, c)}]`;
    return `${gradient} * qkv[${at(sizes, 2, b!, j!, head!, c)}]`;
  });
  const body = `${code}${product}
return weights[${CELL}] * (total - dot[${quotient(CELL, N)}]) * scale;`;
  const args = [weights, grad!, qkv!, dot, dh ** -0.5];
  return launch(kernelSource(["weights", "grad", "qkv", "dot", "scale"], body), args, B * h * M * N);
}
