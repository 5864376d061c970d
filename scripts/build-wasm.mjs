// Compiles the kernels of the wasm device, with and without relaxed (fused) multiply-add, into one TypeScript file that
// holds both modules as base64, so that nothing has to be found, read or fetched where they run.

import { createHash } from "node:crypto";
import { readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { registerTiles } from "./register-tiles.mjs";

const root = fileURLToPath(new URL("../src/tensor/backends/wasm/", import.meta.url));
const sources = join(root, "assembly");
const target = join(root, "binary.generated.ts");

const tiles = "register-tile.generated.ts";
const loops = registerTiles();
const files = [...readdirSync(sources).filter((file) => file !== tiles), tiles].sort();
const asc = JSON.parse(readFileSync(new URL("../node_modules/assemblyscript/package.json", import.meta.url), "utf8"));
const hash = createHash("sha256")
  .update(asc.version)
  .update(readFileSync(fileURLToPath(import.meta.url)));
for (const file of files) hash.update(file).update(read(file));
const fingerprint = `// sources ${hash.digest("hex")}`;

if (!isUpToDate()) {
  const { main } = await import("assemblyscript/asc");
  const plain = await compile(main, "plain.wasm", []);
  const fused = await compile(main, "fused.wasm", ["--enable", "relaxed-simd"]);
  replace(join(sources, tiles), loops);
  const text = [
    fingerprint,
    "/** Base64 of the kernels with f32x4.relaxed_madd. */",
    `export const fusedBinary =\n  "${Buffer.from(fused).toString("base64")}";`,
    "/** Base64 of the kernels with fixed-width SIMD only. */",
    `export const plainBinary =\n  "${Buffer.from(plain).toString("base64")}";`,
    "",
  ].join("\n");
  replace(target, text);
  console.log(`wasm kernels: ${plain.length} and ${fused.length} bytes`);
}

function isUpToDate() {
  try {
    return readFileSync(target, "utf8").startsWith(fingerprint);
  } catch {
    return false;
  }
}

/** A build that stops half-way, or two at once, leaves a whole file. */
function replace(file, text) {
  const partial = `${file}.${process.pid}`;
  writeFileSync(partial, text);
  renameSync(partial, file);
}

function read(file) {
  return file === tiles ? loops : readFileSync(join(sources, file), "utf8");
}

async function compile(main, name, features) {
  const outputs = new Map();
  const options = [
    ["index.ts", "--outFile", name, "--runtime", "stub", "-O3", "--noAssert"],
    ["--importMemory", "--sharedMemory", "--initialMemory", "16", "--maximumMemory", "65536", "--memoryBase", "294912"],
    ["--enable", "simd", "--enable", "threads", ...features],
  ].flat();
  const { error, stderr } = await main(options, {
    readFile: (file) => (files.includes(file) ? read(file) : null),
    writeFile: (file, contents) => outputs.set(file, contents),
    listFiles: () => [],
  });
  if (error) throw new Error(`${error.message}\n${stderr}`);
  return outputs.get(name);
}
