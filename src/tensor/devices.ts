import { registerBackend, setDefaultDevice } from "./backend.ts";
import { createCpuBackend } from "./backends/cpu/index.ts";
import { createWasmBackend } from "./backends/wasm/index.ts";

/** Importing this file makes the devices known; `wasm` is the default one. */
registerBackend("cpu", createCpuBackend);
registerBackend("wasm", createWasmBackend);
setDefaultDevice("wasm");
