// Writes the innermost loops of the matrix product in AssemblyScript. A tile of 6 × 8 results stands in twelve registers of
// 128 bits, one of 6 × 16 in twelve of 256, where the engine joins neighbouring vectors ("revectorises"). Each has a variable
// of its own, since a compiler keeps only such in registers; that is why they are generated.
//
// Engines' compilers are easily put off. They move all loads of an iteration to its front, and two iterations' worth of them
// no longer fit into fifteen registers: the loops are not unrolled. A branch on the way into a loop or out of it that
// touches the sums makes them spill, or keeps vectors from being joined. So a tile is always whole, begins with something
// that is there, and something is added to it at the end, if only zeros; register-tile.ts does the rest. The sum at the end
// is taken in registers where vectors have 256 bits; Node 20 would spill for it, there it is taken in memory.

const ROWS = 6;
const WIDTHS = [8, 16];

/** @returns source of columnsTile8, rowsTile8, columnsTile16 and rowsTile16 */
export function registerTiles() {
  const tiles = WIDTHS.flatMap((width) => [columnsTile(width), rowsTile(width)]);
  return ['import { madd, storePair, ZEROS } from "./job";', addRows, ...tiles].join("\n");
}

/** A stands by columns, `step` bytes from one to the next. */
function columnsTile(width) {
  const loads = rows((i) => `v128.load32_splat(a, ${4 * i})`);
  return tile(`columnsTile${width}`, "a: usize, step: usize", [], loads, ["a += step;"], width);
}

/** A stands by rows, `step` bytes from one to the next; beyond `height` the last one is read again. */
function rowsTile(width) {
  const pointers = rows((i) => `let r${i} = a + step * min(${i}, height - 1);`);
  const loads = rows((i) => `v128.load32_splat(r${i})`);
  const steps = rows((i) => `r${i} += 4;`);
  return tile(`rowsTile${width}`, "a: usize, step: usize, height: i32", pointers, loads, steps, width);
}

/** @param loads what brings a cell of each row of A to all lanes, @param steps what moves on to its next cell */
function tile(name, a, pointers, loads, steps, width) {
  const vectors = Array.from({ length: width / 4 }, (_, j) => j);
  const begin = (i) => vectors.map((j) => `let c${i}_${j} = v128.load(from, ${16 * j});`);
  return `
export function ${name}(
  ${a}, b: usize, depth: i32,
  from: usize, fromStride: usize, to: usize, stride: usize, addend: usize, addendStride: usize,
): void {
  ${lines(rows((i) => lines([...begin(i), "from += fromStride;"])))}
  ${lines(pointers)}
  const end = b + <usize>depth * ${4 * width};
  while (b < end) {
    ${lines(vectors.map((j) => `const b${j} = v128.load(b, ${16 * j});`))}
    ${lines(loads.flatMap((load, i) => [`const x${i} = ${load};`, ...vectors.map((j) => sum(i, j))]))}
    ${lines(steps)}
    b += ${4 * width};
  }
  ${width === 8 ? finishInMemory(vectors) : finishInRegisters(vectors)}
}`;
}

// The second vector of a pair is stored first: see `storePair`.

function finishInRegisters(vectors) {
  const loads = (i) => vectors.map((j) => `const e${i}_${j} = v128.load(addend, ${16 * j});`);
  const store = (i, j) => `v128.store(to, f32x4.add(c${i}_${j}, e${i}_${j}), ${16 * j});`;
  const stores = (i) => vectors.map((j) => store(i, j ^ 1));
  return lines(rows((i) => lines([...loads(i), ...stores(i), "addend += addendStride;", "to += stride;"])));
}

function finishInMemory(vectors) {
  const stores = (i) => vectors.map((j) => `v128.store(row, c${i}_${j ^ 1}, ${16 * (j ^ 1)});`);
  const add = "if (addend !== ZEROS) addRows(to, stride, addend, addendStride);";
  return lines(["let row = to;", ...rows((i) => lines([...stores(i), "row += stride;"])), add]);
}

const addRows = `
function addRows(to: usize, stride: usize, addend: usize, addendStride: usize): void {
  for (let i = 0; i < ${ROWS}; i++) {
    const left = f32x4.add(v128.load(to), v128.load(addend));
    const right = f32x4.add(v128.load(to, 16), v128.load(addend, 16));
    storePair(to, left, right);
    to += stride;
    addend += addendStride;
  }
}`;

const sum = (i, j) => `c${i}_${j} = madd(x${i}, b${j}, c${i}_${j});`;
const rows = (write) => Array.from({ length: ROWS }, (_, i) => write(i));
const lines = (list) => list.join("\n    ");
