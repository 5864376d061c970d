// How products of matrices are cut into tiles.

/** Panels of B of a tile (in scratch, and meant to stay in the second cache): 512 KiB. Those of A have as much. */
const PANEL_CELLS = 131_072;
const COLUMNS = 512;
const ROWS = 480;
const [LEAST_ROWS, LEAST_COLUMNS] = [24, 64];
/** An inner dimension longer than this is taken in blocks of about that depth, and fewer steps where A is copied too. */
const LONG = { plain: 1200, transposed: 600 };
const DEPTH = { plain: 512, transposed: 300 };
/** Such a tile packs B anew for each block, which serves the more rows the better. */
const LONG_ROWS = 264;
/** So many of them a thread need not come out even. */
const MANY_TILES = 4;
/** A tile is about this much work: small enough to share out evenly, large against the cost of packing. */
const TILE_FLOPS = 1.5e6;
/** A product with few results and a long inner dimension is cut along that one; the parts are added in order. */
const SPLIT_RESULTS = 65_536;
const SPLIT_DEPTH = 240;
/** So few rows of a part make one tile: two threads would pack the same block of B, which costs as much as its product. */
const WHOLE_ROWS = 96;
/** What is worth a call to a library. */
const LIBRARY_FLOPS = 1e6;

/** What a cut depends on beside the product. */
export interface Machine {
  readonly tileColumns: number;
  readonly threads: { readonly count: number };
  readonly library: number;
}

/** [m, n] = [m, k] [k, n], where the first one may be stored as [k, m]. */
export interface ProductSize {
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly transposeA: boolean;
}

/** How a product is cut into tiles, and who computes them: a library's address, or 0. */
export interface Cut {
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

/** How many results of its own the inner dimension is cut into, and how long each of them is there. */
export function partsOf({ m, n, k }: ProductSize, items: number): { parts: number; splitDepth: number } {
  const isSplit = items === 1 && m * n <= SPLIT_RESULTS && k >= 2 * SPLIT_DEPTH;
  const splits = isSplit ? Math.floor(k / SPLIT_DEPTH) : 1;
  const splitDepth = roundUp(k / splits, 4);
  return { parts: Math.ceil(k / splitDepth) || 1, splitDepth };
}

/** Whether a BLAS library computes a product: where there is one and it pays. */
export function goesToLibrary({ library }: Machine, { m, n, k }: ProductSize, items: number): boolean {
  return library !== 0 && items === 1 && 2 * m * n * k >= LIBRARY_FLOPS;
}

/** Tiles that stay in the caches. */
export function ownCut(machine: Machine, size: ProductSize, items: number, parts: number, partDepth: number): Cut {
  const { m, n } = size;
  if (partDepth > LONG[kindOf(size)]) return longCut(machine, size, items, parts, partDepth);
  const columns = roundUp(n / leastColumnTiles(machine, n, partDepth), machine.tileColumns);
  const mostRows = Math.min(ROWS, Math.floor(PANEL_CELLS / partDepth));
  const wishedRows = parts > 1 && m <= WHOLE_ROWS ? m : Math.max(LEAST_ROWS, TILE_FLOPS / (2 * partDepth * columns));
  const rows = roundUp(m / Math.ceil(m / Math.min(mostRows, wishedRows)), 6);
  return { items, parts, partDepth, rows, columns, depth: partDepth, library: 0 };
}

/** The same where a tile takes the inner dimension in blocks. */
function longCut(machine: Machine, size: ProductSize, items: number, parts: number, partDepth: number): Cut {
  const { m, n } = size;
  const depth = roundUp(partDepth / Math.ceil(partDepth / DEPTH[kindOf(size)]), 4);
  const fewest = { rowTiles: Math.ceil(m / LONG_ROWS), columnTiles: leastColumnTiles(machine, n, depth) };
  const { rowTiles, columnTiles } = items * parts === 1 ? evenTiles(machine, size, fewest) : fewest;
  const rows = roundUp(m / rowTiles, 6);
  return { items, parts, partDepth, rows, columns: roundUp(n / columnTiles, machine.tileColumns), depth, library: 0 };
}

function kindOf({ transposeA }: ProductSize): "plain" | "transposed" {
  return transposeA ? "transposed" : "plain";
}

/** Where each copies that many steps of its columns of B. */
function leastColumnTiles({ tileColumns }: Machine, n: number, depth: number): number {
  return Math.ceil(n / Math.min(COLUMNS, Math.floor(PANEL_CELLS / depth / tileColumns) * tileColumns));
}

interface Tiles {
  readonly rowTiles: number;
  readonly columnTiles: number;
}

/** Enough large tiles for the threads to share them evenly; of the ways to cut them, the one that copies least. */
function evenTiles({ threads: { count } }: Machine, { m, n, transposeA }: ProductSize, fewest: Tiles): Tiles {
  const copies = ({ rowTiles, columnTiles }: Tiles) => rowTiles * n + (transposeA ? columnTiles * m : 0);
  const most = (few: number, cells: number, least: number) =>
    Math.min(few + count, Math.max(few, Math.floor(cells / least)));
  const mostRowTiles = most(fewest.rowTiles, m, LEAST_ROWS);
  const mostColumnTiles = most(fewest.columnTiles, n, LEAST_COLUMNS);
  let best: Tiles | null = null;
  for (let { rowTiles } = fewest; rowTiles <= mostRowTiles; rowTiles++)
    for (let { columnTiles } = fewest; columnTiles <= mostColumnTiles; columnTiles++) {
      const tiles = { rowTiles, columnTiles };
      const isEven = (rowTiles * columnTiles) % count === 0 || rowTiles * columnTiles >= MANY_TILES * count;
      if (isEven && (!best || copies(tiles) < copies(best))) best = tiles;
    }
  return best ?? fewest;
}

/** A tile for each thread, as square as it gets: a library copies both operands of each. */
export function libraryCut({ library, threads }: Machine, { m, n, k }: ProductSize): Cut {
  let [rows, columns] = [m, n];
  let left = Math.min(threads.count, Math.floor((2 * m * n * k) / LIBRARY_FLOPS));
  for (let factor = 2; left > 1; factor++)
    for (; left % factor === 0; left /= factor)
      if (rows >= columns) rows = Math.ceil(rows / factor);
      else columns = Math.ceil(columns / factor);
  return { items: 1, parts: 1, partDepth: k, rows, columns, depth: k, library };
}

function roundUp(value: number, unit: number): number {
  return Math.ceil(value / unit) * unit;
}
