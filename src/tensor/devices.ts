import { registerBackend, setDefaultDevice } from "./backend.ts";
import { createCpuBackend } from "./backends/cpu/index.ts";
import { createMetaBackend } from "./backends/meta/index.ts";
import { createWasmBackend } from "./backends/wasm/index.ts";

export { type GpuCounters, gpuCounters, gpuDeviceNames, loadGpu, resetGpuCounters } from "./backends/gpujs/index.ts";
export { getThreads, setBlas, setThreads } from "./backends/wasm/index.ts";

/** Importing this file makes the devices known; each is built when first used. */
registerBackend("wasm", createWasmBackend);
registerBackend("cpu", createCpuBackend);
registerBackend("meta", createMetaBackend);
setDefaultDevice("wasm");
