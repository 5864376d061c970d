// Writes the innermost loops of the matrix product in AssemblyScript. A tile of 6 × 8 results stands in twelve registers of
// 128 bits, one of 6 × 16 in twelve of 256, where the engine joins neighbouring vectors ("revectorises"). Each has a variable
// of its own, since a compiler keeps only such in registers; that is why they are generated.
//
// Compilers are easily put off. Of two steps in one iteration, AssemblyScript's optimiser folds the sums into each other, and
// their operands no longer fit into fifteen registers, unless the loop may end between the two. That is how four steps of
// the rows' loop are unrolled where vectors have 256 bits, so that a step takes six instructions less; Node 20 would spill
// for the branches, and Node 24 unrolls the columns' loop itself. Any other branch into a loop or out of it that touches the
// sums makes them spill, or keeps vectors from being joined. So a tile is always whole, begins with something that is
// there, and something is added to it at the end, if only zeros; register-tile.ts does the rest. The sum at the end is taken
// in registers where vectors have 256 bits; Node 20 would spill for it, there it is taken in memory.

const ROWS = 6;
const WIDTHS = [8, 16];

/** @returns source of columnsTile8, rowsTile8, columnsTile16 and rowsTile16 */
export function registerTiles() {
  const tiles = WIDTHS.flatMap((width) => [columnsTile(width), rowsTile(width)]);
  return ['import { madd, storePair, ZEROS } from "./job";', addRows, ...tiles].join("\n");
}

/** A stands by columns, `step` bytes from one to the next. */
function columnsTile(width) {
  const loads = () => rows((i) => `v128.load32_splat(a, ${4 * i})`);
  return tile(`columnsTile${width}`, "a: usize, step: usize", [], { loads, moves: ["a += step;"], times: 1 }, width);
}

/** A stands by rows, `step` bytes from one to the next; beyond `height` the last one is read again. */
function rowsTile(width) {
  const times = width === 16 ? 4 : 1;
  const pointers = rows((i) => `let r${i} = a + step * min(${i}, height - 1);`);
  const loads = (time) => rows((i) => `v128.load32_splat(r${i}, ${4 * time})`);
  const moves = rows((i) => `r${i} += ${4 * times};`);
  return tile(`rowsTile${width}`, "a: usize, step: usize, height: i32", pointers, { loads, moves, times }, width);
}

/**
 * @param steps how many `times` an iteration goes one step along the inner dimension, `loads(time)` that bring a cell of each
 *   row of A to all lanes, and the `moves` on to the next iteration
 */
function tile(name, a, pointers, steps, width) {
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
    ${lines(Array.from({ length: steps.times }, (_, time) => oneStep(time, steps.loads(time), width, vectors)))}
    ${lines(steps.moves)}
    b += ${4 * width * steps.times};
  }
  ${width === 8 ? finishInMemory(vectors) : finishInRegisters(vectors)}
}`;
}

/** The first of an iteration is there for certain. */
function oneStep(time, loads, width, vectors) {
  const start = 4 * width * time;
  return lines([
    time > 0 ? `if (b + ${start} >= end) break;` : "",
    ...vectors.map((j) => `const b${time}_${j} = v128.load(b, ${start + 16 * j});`),
    ...loads.flatMap((load, i) => [`const x${time}_${i} = ${load};`, ...vectors.map((j) => sum(time, i, j))]),
  ]);
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

const sum = (time, i, j) => `c${i}_${j} = madd(x${time}_${i}, b${time}_${j}, c${i}_${j});`;
const rows = (write) => Array.from({ length: ROWS }, (_, i) => write(i));
const lines = (list) => list.join("\n    ");
