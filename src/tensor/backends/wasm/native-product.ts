/** op(A) op(B) as CBLAS computes it, of row-major operands; addresses in bytes of the device's memory, strides in cells. */
export type NativeProduct = (
  library: number,
  transposeA: number,
  transposeB: number,
  m: number,
  n: number,
  k: number,
  a: number,
  lda: number,
  b: number,
  ldb: number,
  c: number,
  ldc: number,
) => void;

/** The package koffi. */
interface Loader {
  load(path: string): { func(declaration: string): (...args: readonly unknown[]) => unknown };
}

/**
 * Products for the kernels of one thread, which name their library by the address of its description (see `Blas`) and
 * open it when they first need it. Threads get this function as text: it may use nothing but its arguments.
 */
export function nativeProducts(memory: WebAssembly.Memory, load: (packagePath: string) => unknown): NativeProduct {
  const functions = new Map<number, (...args: readonly unknown[]) => unknown>();
  const open = (at: number) => {
    const [length] = new Int32Array(memory.buffer, at, 1);
    const text = new TextDecoder().decode(new Uint8Array(memory.buffer, at + 4, length).slice());
    const { koffi, path, declaration } = JSON.parse(text) as Record<"koffi" | "path" | "declaration", string>;
    const sgemm = (load(koffi) as Loader).load(path).func(declaration);
    functions.set(at, sgemm);
    return sgemm;
  };
  return (library, transposeA, transposeB, m, n, k, a, lda, b, ldb, c, ldc) => {
    const sgemm = functions.get(library >>> 0) ?? open(library >>> 0);
    const cells = new Float32Array(memory.buffer);
    const from = (address: number) => cells.subarray(address >>> 2);
    const [opA, opB] = [transposeA ? 112 : 111, transposeB ? 112 : 111]; // and 101: as CBLAS numbers layouts
    sgemm(101, opA, opB, m, n, k, 1, from(a), lda, from(b), ldb, 0, from(c), ldc);
  };
}
