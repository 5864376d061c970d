// The innermost loop of the matrix product by itself: a tile of 6 × 8 results over panels that stay in the first cache.
// No product can be faster on one thread. It is compiled here from the source that the library's kernels are made of.
import { readdirSync, readFileSync } from "node:fs";
import { main } from "assemblyscript/asc";

const sources = new URL("../../src/tensor/backends/wasm/assembly/", import.meta.url);
const DEPTH = 384;
const TIMES = 1000;

/** The panel of A and the bytes of its steps, that of B, the tile and its row length in bytes; a whole tile by itself. */
const places = (columns) => [65_536, 24, 131_072, DEPTH, 262_144, 4 * columns, 6, columns, 1984, 0];

/** @returns one call's operations, and what makes it */
export async function compileMicroKernel(hasFusedMultiplyAdd, columns) {
  const entry = `export { columnsTile${columns} as tile } from "./register-tile.generated";`;
  const files = readdirSync(sources);
  let binary;
  const options = ["entry.ts", "--outFile", "micro.wasm", "--runtime", "stub", "-O3", "--noAssert", "--importMemory"];
  const features = ["simd", "threads", ...(hasFusedMultiplyAdd ? ["relaxed-simd"] : [])];
  const { error, stderr } = await main([...options, ...features.flatMap((name) => ["--enable", name])], {
    readFile: (file) => {
      if (file === "entry.ts") return entry;
      return files.includes(file) ? readFileSync(new URL(file, sources), "utf8") : null;
    },
    writeFile: (_, contents) => {
      binary = contents;
    },
    listFiles: () => [],
  });
  if (error) throw new Error(`${error.message}\n${stderr}`);
  const memory = new WebAssembly.Memory({ initial: 16 });
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(binary), { env: { memory } });
  const run = () => {
    for (let n = 0; n < TIMES; n++) exports.tile(...places(columns));
  };
  return { flops: 2 * 6 * columns * DEPTH * TIMES, run };
}
