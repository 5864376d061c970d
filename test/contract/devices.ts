import { deviceNames } from "../../src/tensor/backend.ts";
import { loadGpu } from "../../src/tensor/devices.ts";

/** Modes of the `gpu` device that work in every engine; the others need a browser, a display or an adapter. */
await loadGpu("cpu");
await loadGpu("webasm");

/** The devices that must equal `cpu`. */
export const devices: readonly string[] = deviceNames().filter((name) => name !== "cpu" && name !== "meta");
