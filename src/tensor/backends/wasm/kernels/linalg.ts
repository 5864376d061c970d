import type { Operand } from "../../../backend.ts";
import { type Shape, sizeOf } from "../../../shape.ts";
import { Kernel } from "../assembly/kernel.ts";
import { addressOf, type WasmDevice } from "../device.ts";
import { elementwise } from "./elementwise.ts";
import { transpose } from "./layout.ts";
import { sumParts } from "./reductions.ts";
import type { HostKernels } from "./types.ts";

/** Arguments; see `assembly/matmul.ts`. */
const AXES = 19;
const GELU = 20;
const LIBRARY = 21;
const BATCH = 22;

/** Panels of B of a tile (in scratch, and meant to stay in the second cache): 512 KiB. Those of A have as much. */
const PANEL_CELLS = 131_072;
/** Longest block of the inner dimension; shorter where rows of A are copied, which then serve more columns. */
const DEPTH = { plain: 800, transposed: 384 };
const COLUMNS = 512;
const ROWS = 480;
/** With several blocks of the inner dimension each tile packs B anew, which fewer rows do not pay for. */
const BLOCKED_ROWS = 128;
/** A tile is about this much work: small enough to share out evenly, large against the cost of packing. */
const TILE_FLOPS = 1.5e6;
/** A product with few results and a long inner dimension is cut along that one; the parts are added in order. */
const SPLIT_RESULTS = 65_536;
const SPLIT_DEPTH = 240;
/** So few rows of a part make one tile: two threads would pack the same block of B, which costs as much as its product. */
const WHOLE_ROWS = 96;
const FLOPS_PER_NANOSECOND = 40;
/** What is worth a call to a library. */
const LIBRARY_FLOPS = 1e6;

interface Product {
  readonly a: number;
  readonly b: number;
  readonly out: number;
  readonly bias: number;
  readonly residual: number;
  /** Whether GELU is taken of the results. */
  readonly gelu: boolean;
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly transposeA: boolean;
  readonly transposeB: boolean;
}

/** How a product is cut into tiles, and who computes them: a library's address, or 0. */
interface Cut {
  /** Products of a batch. */
  readonly items: number;
  /** Parts of the inner dimension that become results of their own, and how long each is. */
  readonly parts: number;
  readonly partDepth: number;
  /** Of a tile, and the steps of the inner dimension that it takes at once. */
  readonly rows: number;
  readonly columns: number;
  readonly depth: number;
  readonly library: number;
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
  const shape = { m: rows, n, k, transposeA, transposeB };
  const isAddedLater = addend !== null && !goesToLibrary(device, shape, items) && partsOf(shape, items).parts > 1;
  const residual = addend && !isAddedLater ? addressOf(addend) : 0;
  const addresses = { a: addressOf(a), b: addressOf(b), out: addressOf(out), bias: 0, residual, gelu: false };
  multiply(device, { ...addresses, ...shape }, items);
  if (isAddedLater) elementwise.add(device, [out, addend], out);
  return true;
}

/** x Wᵀ with what is done to each result while it is at hand. */
function transform(
  device: WasmDevice,
  [x, weight]: readonly Operand[],
  out: Operand,
  epilogue: Pick<Product, "bias" | "residual" | "gelu">,
): true {
  if (out.storage.size === 0) return true;
  const [n, k] = weight!.shape as [number, number];
  const shape = { m: out.storage.size / n, n, k, transposeA: false, transposeB: true };
  device.ints[AXES] = 0;
  multiply(device, { a: addressOf(x!), b: addressOf(weight!), out: addressOf(out), ...epilogue, ...shape }, 1);
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

/** How many results of its own the inner dimension is cut into, and how long each of them is there. */
function partsOf({ m, n, k }: Pick<Product, "m" | "n" | "k">, items: number): { parts: number; splitDepth: number } {
  const isSplit = items === 1 && m * n <= SPLIT_RESULTS && k >= 2 * SPLIT_DEPTH;
  const splits = isSplit ? Math.floor(k / SPLIT_DEPTH) : 1;
  const splitDepth = roundUp(k / splits, 4);
  return { parts: Math.ceil(k / splitDepth) || 1, splitDepth };
}

/** Whether a BLAS library computes a product: where there is one and it pays. */
function goesToLibrary({ library }: WasmDevice, { m, n, k }: Pick<Product, "m" | "n" | "k">, items: number): boolean {
  return library !== 0 && items === 1 && 2 * m * n * k >= LIBRARY_FLOPS;
}

/** Cuts the product into tiles, by its shape alone unless a library computes them, and runs it. */
function multiply(device: WasmDevice, product: Product, items: number): void {
  const { m, n, k } = product;
  if (goesToLibrary(device, product, items)) {
    launch(device, product, libraryCut(device, product));
    return;
  }
  const hasEpilogue = product.bias !== 0 || product.residual !== 0 || product.gelu;
  const { parts, splitDepth } = hasEpilogue ? { parts: 1, splitDepth: k } : partsOf(product, items);
  if (parts === 1) {
    launch(device, product, ownCut(device, product, items, 1, Math.max(k, 1)));
    return;
  }
  if (product.transposeA && !product.transposeB && m < n) {
    multiplyAcross(device, product, parts, splitDepth);
    return;
  }
  device.withBlock(parts * m * n * 4, (partial) => {
    launch(device, { ...product, out: partial }, ownCut(device, product, items, parts, splitDepth));
    sumParts(device, partial, product.out, parts, m * n);
  });
}

/** Aᵀ B as (Bᵀ A)ᵀ: a tile copies the columns of its second operand, and reads those of its first where they are. */
function multiplyAcross(device: WasmDevice, product: Product, parts: number, splitDepth: number): void {
  const { a, b, out, m, n } = product;
  device.withBlock((parts + 1) * m * n * 4, (partial) => {
    const across = partial + parts * m * n * 4;
    const turned = { ...product, a: b, b: a, m: n, n: m, out: partial };
    launch(device, turned, ownCut(device, turned, 1, parts, splitDepth));
    sumParts(device, partial, across, parts, m * n);
    transpose(device, across, out, n, m);
  });
}

/** Tiles that stay in the caches. */
function ownCut(
  device: WasmDevice,
  { m, n, transposeA }: Product,
  items: number,
  parts: number,
  partDepth: number,
): Cut {
  const most = transposeA ? DEPTH.transposed : DEPTH.plain;
  const depth = partDepth > most * 1.5 ? roundUp(partDepth / Math.ceil(partDepth / most), 4) : partDepth;
  const unit = device.tileColumns;
  const columnTiles = Math.ceil(n / Math.min(COLUMNS, Math.floor(PANEL_CELLS / depth / unit) * unit));
  const columns = roundUp(n / columnTiles, unit);
  const mostRows = Math.min(ROWS, Math.floor(PANEL_CELLS / depth));
  const leastRows = partDepth > depth ? BLOCKED_ROWS : 24;
  const wishedRows = parts > 1 && m <= WHOLE_ROWS ? m : Math.max(leastRows, TILE_FLOPS / (2 * partDepth * columns));
  const rows = roundUp(m / Math.ceil(m / Math.min(mostRows, wishedRows)), 6);
  return { items, parts, partDepth, rows, columns, depth, library: 0 };
}

/** A tile for each thread, as square as it gets: a library copies both operands of each. */
function libraryCut({ library, threads }: WasmDevice, { m, n, k }: Product): Cut {
  let [rows, columns] = [m, n];
  let left = Math.min(threads.count, Math.floor((2 * m * n * k) / LIBRARY_FLOPS));
  for (let factor = 2; left > 1; factor++)
    for (; left % factor === 0; left /= factor)
      if (rows >= columns) rows = Math.ceil(rows / factor);
      else columns = Math.ceil(columns / factor);
  return { items: 1, parts: 1, partDepth: k, rows, columns, depth: k, library };
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

function roundUp(value: number, unit: number): number {
  return Math.ceil(value / unit) * unit;
}
