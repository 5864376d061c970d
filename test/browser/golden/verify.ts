import { parseSafetensors } from "../../../src/data/safetensors.ts";
import { gpuCounters, loadGpu, resetGpuCounters } from "../../../src/tensor/devices.ts";
import { parseCase } from "../../../src/train/verify/golden-case.ts";
import { type CaseResult, verifyCase } from "../../../src/train/verify/verify-case.ts";

/** A case as files: its JSON, and the bytes of its safetensors in base64. */
export interface CaseFiles {
  readonly name: string;
  readonly json: unknown;
  readonly tensors: string;
}

/** What came of a case, and how many kernels were left to `cpu` meanwhile. */
export type BrowserResult = CaseResult & { readonly fallbacks: number };

async function verify(mode: string, { name, json, tensors }: CaseFiles): Promise<BrowserResult> {
  const device = await loadGpu(mode);
  resetGpuCounters(device);
  const bytes = Uint8Array.from(atob(tensors), (character) => character.charCodeAt(0));
  const golden = parseCase(name, json, () => parseSafetensors(bytes, name))!;
  const result = await verifyCase(golden, { device, dtype: "float32" });
  return { ...result, fallbacks: gpuCounters(device).fallbacks };
}

Object.assign(globalThis, { verify });
