import { broadcastStrides } from "../../../shape.ts";
import { kernelSource, walk } from "../source.ts";
import type { GpuKernel, GpuOperand, GpuResult, Launch } from "./types.ts";

/** A function of cells, as statements that return its value. */
type Body = (...cells: string[]) => string;

const returns =
  (expression: Body): Body =>
  (...cells) =>
    `return ${expression(...cells)};`;
/** 1 where the condition holds, else 0. */
const holds =
  (condition: Body): Body =>
  (...cells) =>
    `let flag = 0.0;\nif (${condition(...cells)}) { flag = 1.0; }\nreturn flag;`;

export const elementwise = {
  add: plain(returns((a, b) => `${a} + ${b}`)),
  sub: plain(returns((a, b) => `${a} - ${b}`)),
  mul: plain(returns((a, b) => `${a} * ${b}`)),
  div: plain(returns((a, b) => `${a} / ${b}`)),
  pow: plain(returns((a, b) => `power(${a}, ${b})`)),
  maximum: plain(returns((a, b) => `Math.max(${a}, ${b})`)),
  minimum: plain(returns((a, b) => `Math.min(${a}, ${b})`)),
  equal: plain(holds((a, b) => `${a} === ${b}`)),
  less: plain(holds((a, b) => `${a} < ${b}`)),
  lessEqual: plain(holds((a, b) => `${a} <= ${b}`)),
  where: plain((c, x, y) => `let chosen = ${y};\nif (${c} !== 0.0) { chosen = ${x}; }\nreturn chosen;`),
  neg: plain(returns((x) => `-${x}`)),
  abs: plain(returns((x) => `Math.abs(${x})`)),
  sign: plain(returns((x) => `Math.sign(${x})`)),
  exp: plain(returns((x) => `Math.exp(${x})`)),
  expm1: plain(returns((x) => `Math.expm1(${x})`)),
  log: plain(returns((x) => `Math.log(${x})`)),
  log1p: plain(returns((x) => `Math.log1p(${x})`)),
  sqrt: plain(returns((x) => `Math.sqrt(${x})`)),
  tanh: plain(returns((x) => `Math.tanh(${x})`)),
  sigmoid: plain(returns((x) => `sigmoid(${x})`)),
  erf: plain(returns((x) => `erf(${x})`)),
  erfc: plain(returns((x) => `erfc(${x})`)),
  normalCdf: plain(returns((x) => `normalCdf(${x})`)),
  sin: plain(returns((x) => `Math.sin(${x})`)),
  cos: plain(returns((x) => `Math.cos(${x})`)),
  gelu: plain(returns((x) => `timesNormalCdf(${x})`)),
  /** ȳ (Φ(x) + x φ(x)), with 1 / √2π in φ; a factor that is 0 ends the product where x is infinite. */
  geluBackward: plain(
    (x, grad) => `const density = 0.3989422804014327 * expOfSquare(Math.abs(${x}), 0.5);
return ${grad} * (normalCdf(${x}) + ${x} * density);`,
  ),
  dropout,
  cast,
};

/** Kept where the random bits, as a fraction, reach the probability; the seed comes in two halves of 16 bits. */
function dropout(...[launch, [x], out, { probability, seed }]: Parameters<GpuKernel<"dropout">>) {
  const source = kernelSource(
    ["x", "high", "low", "threshold", "kept"],
    `let value = 0.0;
if (randomBits(this.thread.x, high, low) >= threshold) { value = x[this.thread.x] / kept; }
return value;`,
  );
  const threshold = Math.ceil(probability * 2 ** 24);
  return launch(source, [x!.cells, (seed >>> 16) & 0xffff, seed & 0xffff, threshold, 1 - probability], out.size);
}

function cast(...[launch, [x], out]: Parameters<GpuKernel<"cast">>) {
  const toWhole = out.dtype === "int32" && x!.dtype !== "int32";
  const body: Body = returns((value) => (toWhole ? `toInt32(${value})` : value));
  return mapCells(body, launch, [x!], out);
}

type PlainKernel = (launch: Launch, inputs: readonly GpuOperand[], out: GpuResult) => ReturnType<Launch>;

function plain(body: Body): PlainKernel {
  return (launch, inputs, out) => mapCells(body, launch, inputs, out);
}

/** Each output cell is a function of the inputs' cells, which broadcast. */
export function mapCells(body: Body, launch: Launch, inputs: readonly GpuOperand[], out: GpuResult) {
  const names = ["a", "b", "c", "d"].slice(0, inputs.length);
  const { code, offsets } = walk(
    out.shape,
    inputs.map(({ shape }) => broadcastStrides(shape, out.shape)),
  );
  const cells = names.map((name) => `${name}Cell`);
  const reads = names.map((name, i) => `const ${cells[i]} = ${name}[${offsets[i]}];`).join("\n");
  const source = kernelSource(names, `${code}${reads}\n${body(...cells)}`);
  return launch(
    source,
    inputs.map((input) => input.cells),
    out.size,
  );
}
