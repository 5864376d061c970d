import type fc from "fast-check";
import type { JointName, KernelName } from "../../../src/tensor/kernels.ts";
import type { Case } from "../harness.ts";
import { fusedCases, updateCases } from "./fused.ts";
import { primitiveCases } from "./primitives.ts";

/** Draws calls of each kernel with one result and ordinary numbers: what every device computes alike. */
export const kernelCases: { readonly [K in Exclude<KernelName, JointName>]: fc.Arbitrary<Case<K>> } = {
  ...primitiveCases,
  ...fusedCases,
  ...updateCases,
};
