import type fc from "fast-check";
import type { KernelName } from "../../../src/tensor/kernels.ts";
import type { Case } from "../harness.ts";
import { fusedCases, updateCases } from "./fused.ts";
import { primitiveCases } from "./primitives.ts";

/** Draws calls of each kernel with ordinary numbers: what every device computes alike, whatever its arithmetic. */
export const kernelCases: { readonly [K in KernelName]: fc.Arbitrary<Case<K>> } = {
  ...primitiveCases,
  ...fusedCases,
  ...updateCases,
};
