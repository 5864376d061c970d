import type { Operand } from "../../../backend.ts";
import { type Shape, sizeOf } from "../../../shape.ts";
import { Kernel, Reduction } from "../assembly/kernel.ts";
import { addressOf, type WasmDevice } from "../device.ts";
import type { WasmStorage } from "../residents.ts";
import { type Cut, goesToLibrary, libraryCut, ownCut, type ProductSize, partsOf } from "./cut.ts";
import { reduceLayers, sumParts } from "./reductions.ts";
import type { HostKernel, HostKernels } from "./types.ts";

/** Arguments; see `assembly/matmul.ts`. */
const AXES = 19;
const GELU = 20;
const LIBRARY = 21;
const SLOPES = 22;
const SUMS = 23;
const BATCH = 24;

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
  /** Where its derivative goes; without it, what the results are multiplied with. */
  readonly slopes: number;
  /** Where the sums of A over the inner dimension go, [m]. */
  readonly sums: number;
}

/** What is done to each result while it is at hand, by addresses or 0, and whether. */
type Finish = Pick<Product, "bias" | "residual" | "gelu" | "slopes" | "sums">;
const PLAIN: Finish = { bias: 0, residual: 0, gelu: false, slopes: 0, sums: 0 };

export const linalg = {
  matmul(device, [a, b], out, flags) {
    return product(device, a!, b!, out, flags, PLAIN);
  },
  matmulAdd(device, [a, b, addend], out, flags) {
    return product(device, a!, b!, out, flags, { ...PLAIN, residual: addressOf(addend!) });
  },
  matmulMul(device, [a, b, factor], out, flags) {
    return product(device, a!, b!, out, flags, { ...PLAIN, slopes: addressOf(factor!) });
  },
  linear(device, inputs, out, { hasBias, hasResidual }) {
    const residual = hasResidual ? addressOf(inputs[hasBias ? 3 : 2]!) : 0;
    return transform(device, inputs, out, { ...PLAIN, bias: hasBias ? addressOf(inputs[2]!) : 0, residual });
  },
  linearGelu(device, inputs, out, { hasBias }) {
    return transform(device, inputs, out, { ...PLAIN, bias: hasBias ? addressOf(inputs[2]!) : 0, gelu: true });
  },
} satisfies HostKernels;

export const linearGeluSlopes: HostKernel<"linearGeluSlopes"> = (device, inputs, out) => {
  const [bias, slopes] = [addressOf(inputs[2]!), addressOf(inputs[3]!)];
  return transform(device, inputs, out, { ...PLAIN, bias, gelu: true, slopes });
};

export const linearGradients: HostKernel<"linearGradients"> = (device, [grad, x, ...rest], out) => {
  const bias = rest.at(-1)!;
  const [residual, sums] = [rest.length > 1 ? addressOf(rest[0]!) : 0, addressOf(bias)];
  const [k, m] = grad!.shape as [number, number];
  if (k === 0) device.view(bias.storage as WasmStorage).fill(0);
  else if (out.storage.size === 0) sumRows(device, { a: addressOf(grad!), sums, m, k });
  return product(device, grad!, x!, out, { transposeA: true, transposeB: false }, { ...PLAIN, residual, sums });
};

/** A B. */
function product(
  device: WasmDevice,
  a: Operand,
  b: Operand,
  out: Operand,
  { transposeA, transposeB }: Pick<Product, "transposeA" | "transposeB">,
  finish: Finish,
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
  const addresses = { a: addressOf(a), b: addressOf(b), out: addressOf(out) };
  multiply(device, { ...addresses, ...finish, m: rows, n, k, transposeA, transposeB }, items);
  return true;
}

/** x Wᵀ. */
function transform(device: WasmDevice, [x, weight]: readonly Operand[], out: Operand, finish: Finish): true {
  if (out.storage.size === 0) return true;
  const [n, k] = weight!.shape as [number, number];
  const addresses = { a: addressOf(x!), b: addressOf(weight!), out: addressOf(out) };
  device.ints[AXES] = 0;
  multiply(device, { ...addresses, ...finish, m: out.storage.size / n, n, k, transposeA: false, transposeB: true }, 1);
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
  const { m, n, k, sums } = product;
  if (goesToLibrary(device, product, items)) {
    launch(device, product, libraryCut(device, product));
    if (sums) sumRows(device, product);
    return;
  }
  const isWhole = product.bias !== 0 || product.gelu || product.slopes !== 0;
  const { parts, splitDepth } = isWhole ? { parts: 1, splitDepth: k } : partsOf(product, items);
  if (parts === 1) {
    launch(device, product, ownCut(device, product, items, 1, Math.max(k, 1)));
    return;
  }
  const size = m * n;
  device.withBlock(4 * parts * (size + (sums ? m : 0)), (partial) => {
    const sumsOfParts = sums && partial + 4 * parts * size;
    const ofParts = { ...product, out: partial, residual: 0, sums: sumsOfParts };
    launch(device, ofParts, ownCut(device, product, items, parts, splitDepth));
    sumParts(device, partial, product.out, product.residual, { parts, size });
    if (sums) sumParts(device, sumsOfParts, sums, 0, { parts, size: m });
  });
}

/** The sums of a transposed A by themselves. */
function sumRows(device: WasmDevice, { a, sums, m, k }: Pick<Product, "a" | "sums" | "m" | "k">): void {
  reduceLayers(device, Reduction.sum, a, sums, { outer: 1, count: k, inner: m });
}

function launch(device: WasmDevice, product: Product, cut: Cut): void {
  const { a, b, out, bias, residual, gelu, slopes, sums, m, n, k, transposeA, transposeB } = product;
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
  ints[SLOPES] = slopes;
  ints[SUMS] = sums;
  device.run(Kernel.matmul, rowTiles * columnTiles * parts * items, (2 * m * n * k * items) / FLOPS_PER_NANOSECOND);
}
