import { DeviceError } from "../../errors.ts";
import { loadPackage, processorFeatures, resolvePackage } from "./platform.ts";

interface Library {
  func(declaration: string): (...args: readonly unknown[]) => unknown;
  unload(): void;
}

/** The package koffi. */
interface Loader {
  load(path: string): Library;
}

const DECLARATION =
  "void cblas_sgemm(int, int, int, int, int, int, float, const float *, int, const float *, int, float, _Inout_ float *, int)";
/** MKL's name of the layer without threads. */
const MKL_SEQUENTIAL = 1;
/** Where systems keep a BLAS: OpenBLAS, MKL, Apple's Accelerate. */
const CANDIDATES = [
  ...["libopenblas.so.0", "libopenblas.so", "libmkl_rt.so.2", "libmkl_rt.so"],
  "/System/Library/Frameworks/Accelerate.framework/Accelerate",
  ...["libopenblas.dylib", "libopenblas.dll", "mkl_rt.2.dll"],
];

/** A BLAS library of the system, ready for `nativeProducts`: it computes each tile on the thread that asks for it. */
export class Blas {
  private constructor(
    readonly path: string,
    /** For threads, which open it for themselves. */
    readonly description: Uint8Array,
    /** Kept, so that it stays open with the kernels that were chosen. */
    readonly library: Library,
  ) {}

  /**
   * @param where a library's path or name, or "auto" for the first known one that loads
   * @throws {DeviceError} naming what is missing: the package koffi, or the library
   */
  static load(where: string): Blas {
    const koffi = resolvePackage("koffi");
    const loader = koffi === null ? null : (loadPackage(koffi) as Loader | null);
    if (koffi === null || !loader) throw new DeviceError("blas: the package koffi is not installed; npm install koffi");
    const failures: string[] = [];
    for (const path of where === "auto" ? CANDIDATES : [where]) {
      try {
        const library = loadFitting(loader, path);
        library.func(DECLARATION);
        computeAlone(library);
        const description = JSON.stringify({ koffi, path, declaration: DECLARATION });
        return new Blas(path, new TextEncoder().encode(description), library);
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
}

/** Tells OpenBLAS and MKL not to start threads of their own: ours would have to share their cores with them. */
function computeAlone(library: Library): void {
  optionalFunction(library, "void openblas_set_num_threads(int)")?.(1);
  optionalFunction(library, "int MKL_Set_Threading_Layer(int)")?.(MKL_SEQUENTIAL);
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
