import type { KernelName, UpdateName } from "../../../kernels.ts";
import { attention } from "./attention.ts";
import { elementwise } from "./elementwise.ts";
import { indexing } from "./indexing.ts";
import { layout } from "./layout.ts";
import { linalg } from "./linalg.ts";
import { reductions } from "./reductions.ts";
import { rows } from "./rows.ts";
import { transport } from "./transport.ts";
import type { GpuKernel, GpuUpdate } from "./types.ts";
import { operandsOf, update } from "./update.ts";

/** The kernels of a device; one that is missing is answered by `cpu`. */
export type GpuKernels = { readonly [K in Exclude<KernelName, UpdateName>]?: GpuKernel<K> };
export type GpuUpdates = { readonly [K in UpdateName]: GpuUpdate<K> };

export const gpuKernels: GpuKernels = {
  ...elementwise,
  ...reductions,
  ...layout,
  ...indexing,
  ...linalg,
  ...rows,
  ...attention,
  ...transport,
};

export const gpuUpdates: GpuUpdates = update;
export { operandsOf };
