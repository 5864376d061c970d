import { registerBackend, setDefaultDevice } from "./backend.ts";
import { createCpuBackend } from "./backends/cpu/index.ts";

/** Importing this file makes the devices known. */
registerBackend("cpu", createCpuBackend);
setDefaultDevice("cpu");
