// Prints which kernels OpenBLAS uses once it was loaded for products, and what the environment then says of them.
import { createRequire } from "node:module";
import { setBlas } from "../../src/tensor/devices.ts";

interface Koffi {
  load(path: string): { func(declaration: string): () => string };
}

const [, , library] = process.argv as [string, string, string];
setBlas(library);
const koffi = createRequire(import.meta.url)("koffi") as Koffi;
const chosen = koffi.load(library).func("const char *openblas_get_corename()")();
console.log(`${chosen} ${process.env.OPENBLAS_CORETYPE}`);
