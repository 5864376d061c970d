import type { Operand } from "../../../backend.ts";
import { type Shape, sizeOf } from "../../../shape.ts";
import { Kernel } from "../assembly/kernel.ts";
import { addressOf, type WasmDevice } from "../device.ts";
import { type Cut, goesToLibrary, libraryCut, ownCut, type ProductSize, partsOf } from "./cut.ts";
import { sumParts } from "./reductions.ts";
import type { HostKernels } from "./types.ts";

/** Arguments; see `assembly/matmul.ts`. */
const AXES = 19;
const GELU = 20;
const LIBRARY = 21;
const BATCH = 22;

const FLOPS_PER_NANOSECOND = 40;

/** C = op(A) op(B) and what is done to its cells, by addresses. */
interface Product extends ProductSize {
  readonly transposeB: boolean;
  readonly a: number;
  readonly b: number;
  readonly out: number;
  readonly bias: number;
  readonly residual: number;
  /** Whether GELU is taken of the results. */
  readonly gelu: boolean;
}

export const linalg = {
  matmul(device, [a, b], out, flags) {
    return product(device, a!, b!, null, out, flags);
  },
  matmulAdd(device, [a, b, addend], out, flags) {
    return product(device, a!, b!, addend!, out, flags);
  },
  linear(device, inputs, out, { hasBias, hasResidual }) {
    const residual = hasResidual ? addressOf(inputs[hasBias ? 3 : 2]!) : 0;
    return transform(device, inputs, out, { bias: hasBias ? addressOf(inputs[2]!) : 0, residual, gelu: false });
  },
  linearGelu(device, inputs, out, { hasBias }) {
    return transform(device, inputs, out, { bias: hasBias ? addressOf(inputs[2]!) : 0, residual: 0, gelu: true });
  },
} satisfies HostKernels;

/** A B, and the addend where there is one. */
function product(
  device: WasmDevice,
  a: Operand,
  b: Operand,
  addend: Operand | null,
  out: Operand,
  { transposeA, transposeB }: Pick<Product, "transposeA" | "transposeB">,
): boolean {
  if (out.dtype !== "float32") return false;
  if (out.storage.size === 0) return true;
  const rank = out.shape.length;
  const [m, n] = [out.shape[rank - 2]!, out.shape[rank - 1]!];
  const k = a.shape.at(transposeA ? -2 : -1)!;
  const isPlain = !transposeA && sizeOf(b.shape) === k * n && a.storage.size === sizeOf(out.shape.slice(0, -1)) * k;
  const items = isPlain ? 1 : writeBatch(device.ints, a, b, out.shape.slice(0, -2));
  if (isPlain) device.ints[AXES] = 0;
  const rows = isPlain ? out.storage.size / n : m; // with one B for all, the items are rows of one product
  const addresses = { a: addressOf(a), b: addressOf(b), out: addressOf(out), residual: addend ? addressOf(addend) : 0 };
  multiply(device, { ...addresses, bias: 0, gelu: false, m: rows, n, k, transposeA, transposeB }, items);
  return true;
}

/** x Wᵀ with what is done to each result while it is at hand. */
function transform(
  device: WasmDevice,
  [x, weight]: readonly Operand[],
  out: Operand,
  { bias, residual, gelu }: Pick<Product, "bias" | "residual" | "gelu">,
): true {
  if (out.storage.size === 0) return true;
  const [n, k] = weight!.shape as [number, number];
  const addresses = { a: addressOf(x!), b: addressOf(weight!), out: addressOf(out), bias, residual };
  device.ints[AXES] = 0;
  multiply(device, { ...addresses, gelu, m: out.storage.size / n, n, k, transposeA: false, transposeB: true }, 1);
  return true;
}

/** Batch axes with the steps of both operands, the last axis first. @returns the number of products */
function writeBatch(ints: Int32Array, a: Operand, b: Operand, batch: Shape): number {
  let items = 1;
  let at = BATCH;
  let stepA = sizeOf(a.shape.slice(-2));
  let stepB = sizeOf(b.shape.slice(-2));
  for (let axis = batch.length - 1; axis >= 0; axis--) {
    const size = batch[axis]!;
    const sizeA = a.shape[axis - batch.length + a.shape.length - 2] ?? 1;
    const sizeB = b.shape[axis - batch.length + b.shape.length - 2] ?? 1;
    ints[at++] = size;
    ints[at++] = sizeA === 1 ? 0 : stepA;
    ints[at++] = sizeB === 1 ? 0 : stepB;
    stepA *= sizeA;
    stepB *= sizeB;
    items *= size;
  }
  ints[AXES] = batch.length;
  return items;
}

/** Cuts the product into tiles, by its shape alone unless a library computes them, and runs it. */
function multiply(device: WasmDevice, product: Product, items: number): void {
  const { m, n, k } = product;
  if (goesToLibrary(device, product, items)) {
    launch(device, product, libraryCut(device, product));
    return;
  }
  const isWhole = product.bias !== 0 || product.gelu;
  const { parts, splitDepth } = isWhole ? { parts: 1, splitDepth: k } : partsOf(product, items);
  if (parts === 1) {
    launch(device, product, ownCut(device, product, items, 1, Math.max(k, 1)));
    return;
  }
  device.withBlock(parts * m * n * 4, (partial) => {
    launch(device, { ...product, out: partial, residual: 0 }, ownCut(device, product, items, parts, splitDepth));
    sumParts(device, partial, product.out, product.residual, { parts, size: m * n });
  });
}

function launch(device: WasmDevice, product: Product, cut: Cut): void {
  const { a, b, out, bias, residual, gelu, m, n, k, transposeA, transposeB } = product;
  const { items, parts, partDepth, rows, columns, depth, library } = cut;
  const { ints } = device;
  const [rowTiles, columnTiles] = [Math.ceil(m / rows), Math.ceil(n / columns)];
  ints[0] = a;
  ints[1] = b;
  ints[2] = out;
  ints[3] = bias;
  ints[4] = residual;
  ints[5] = m;
  ints[6] = n;
  ints[7] = k;
  ints[8] = transposeA ? 1 : 0;
  ints[9] = transposeB ? 1 : 0;
  ints[10] = rows;
  ints[11] = columns;
  ints[12] = depth;
  ints[13] = rowTiles;
  ints[14] = columnTiles;
  ints[15] = parts;
  ints[16] = partDepth;
  ints[17] = transposeA ? m : k;
  ints[18] = transposeB ? k : n;
  ints[GELU] = gelu ? 1 : 0;
  ints[LIBRARY] = library;
  device.run(Kernel.matmul, rowTiles * columnTiles * parts * items, (2 * m * n * k * items) / FLOPS_PER_NANOSECOND);
}
