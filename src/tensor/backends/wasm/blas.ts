import { DeviceError } from "../../errors.ts";
import { loadPackage, processorFeatures } from "./platform.ts";

/** C ← A B + β C with row-major operands, as CBLAS defines it. */
type Sgemm = (
  order: number,
  transposeA: number,
  transposeB: number,
  m: number,
  n: number,
  k: number,
  alpha: number,
  a: Float32Array,
  lda: number,
  b: Float32Array,
  ldb: number,
  beta: number,
  c: Float32Array,
  ldc: number,
) => void;

interface Library {
  func(declaration: string): (...args: readonly unknown[]) => unknown;
  unload(): void;
}

/** The package koffi. */
interface Loader {
  load(path: string): Library;
}

/** CBLAS's names of the layouts. */
const [ROW_MAJOR, PLAIN, TRANSPOSED] = [101, 111, 112];
const DECLARATION =
  "void cblas_sgemm(int, int, int, int, int, int, float, const float *, int, const float *, int, float, _Inout_ float *, int)";
/** Where systems keep a BLAS: OpenBLAS, MKL, Apple's Accelerate. */
const CANDIDATES = [
  ...["libopenblas.so.0", "libopenblas.so", "libmkl_rt.so.2", "libmkl_rt.so"],
  "/System/Library/Frameworks/Accelerate.framework/Accelerate",
  ...["libopenblas.dylib", "libopenblas.dll", "mkl_rt.2.dll"],
];

/** A matrix product; strides in cells. */
export interface BlasProduct {
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly transposeA: boolean;
  readonly transposeB: boolean;
}

/** A BLAS library of the system, called on the memory of this device without copying. */
export class Blas {
  readonly #sgemm: Sgemm;
  readonly #setThreads: ((...args: readonly number[]) => unknown) | null;

  private constructor(
    readonly path: string,
    library: Library,
  ) {
    this.#sgemm = library.func(DECLARATION) as Sgemm;
    this.#setThreads = optionalFunction(library, "void openblas_set_num_threads(int)");
  }

  /**
   * @param where a library's path or name, or "auto" for the first known one that loads
   * @throws {DeviceError} naming what is missing: the package koffi, or the library
   */
  static load(where: string): Blas {
    const koffi = loadPackage("koffi") as Loader | null;
    if (!koffi) throw new DeviceError("blas: the package koffi is not installed; npm install koffi");
    const failures: string[] = [];
    for (const path of where === "auto" ? CANDIDATES : [where]) {
      try {
        return new Blas(path, loadFitting(koffi, path));
      } catch (error) {
        failures.push((error as Error).message.replace(/\s+/g, " "));
      }
    }
    throw new DeviceError(
      where === "auto"
        ? `blas: none of ${CANDIDATES.join(", ")} could be loaded; install OpenBLAS or name a library`
        : `blas: ${where} cannot be used: ${failures[0]}`,
    );
  }

  setThreads(count: number): void {
    this.#setThreads?.(count);
  }

  /** c ← op(a) op(b); op(a) is [m, k] and op(b) [k, n]. */
  multiply(a: Float32Array, b: Float32Array, c: Float32Array, product: BlasProduct): void {
    const { m, n, k, transposeA, transposeB } = product;
    const [opA, opB] = [transposeA ? TRANSPOSED : PLAIN, transposeB ? TRANSPOSED : PLAIN] as const;
    const [lda, ldb] = [transposeA ? m : k, transposeB ? k : n];
    this.#sgemm(ROW_MAJOR!, opA!, opB!, m, n, k, 1, a, Math.max(lda, 1), b, Math.max(ldb, 1), 0, c, Math.max(n, 1));
  }
}

/** Loads a library, and once more where it chose kernels that do not fit the processor. */
function loadFitting(koffi: Loader, path: string): Library {
  const library = koffi.load(path);
  const chosen = optionalFunction(library, "const char *openblas_get_corename()")?.();
  const kernels = fittingKernels(String(chosen), processorFeatures());
  if (kernels === null || process.env.OPENBLAS_CORETYPE) return library;
  library.unload();
  process.env.OPENBLAS_CORETYPE = kernels;
  try {
    return koffi.load(path);
  } finally {
    delete process.env.OPENBLAS_CORETYPE;
  }
}

/**
 * What OpenBLAS should use instead of what it chose; null where that may stay. One that is older than the processor does
 * not know it, and takes kernels of 2004 ("Prescott"), a tenth as fast.
 *
 * @param chosen as `openblas_get_corename` answers it
 * @param features of the processor, as Linux names them
 * @returns a value of OPENBLAS_CORETYPE
 */
export function fittingKernels(chosen: string, features: ReadonlySet<string>): string | null {
  if (chosen !== "Prescott") return null;
  if (["f", "cd", "bw", "dq", "vl"].every((part) => features.has(`avx512${part}`))) return "SkylakeX";
  return features.has("avx2") && features.has("fma") ? "Haswell" : null;
}

function optionalFunction(library: Library, declaration: string): ((...args: readonly number[]) => unknown) | null {
  try {
    return library.func(declaration);
  } catch {
    return null;
  }
}
