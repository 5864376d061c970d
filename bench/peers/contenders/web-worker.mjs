// A Web Worker over Node's worker threads: what a browser offers jax-js, which has no threads in plain Node.
import { resolveObjectURL } from "node:buffer";
import { Worker as Thread } from "node:worker_threads";

const prelude = `
const { parentPort } = require("node:worker_threads");
globalThis.self = globalThis;
globalThis.postMessage = (message) => parentPort.postMessage(message);
parentPort.on("message", (data) => self.onmessage({ data }));
`;

class WebWorker {
  #thread = null;
  #starting;

  /** @param url of a blob that holds the script */
  constructor(url) {
    this.#starting = this.#start(url);
  }

  async #start(url) {
    this.#thread = new Thread(prelude + (await resolveObjectURL(url).text()), { eval: true });
    this.#thread.on("message", (data) => this.onmessage?.({ data }));
    this.#thread.on("error", (error) => this.onerror?.(error));
  }

  postMessage(message) {
    if (this.#thread) this.#thread.postMessage(message);
    else this.#starting.then(() => this.#thread.postMessage(message));
  }
}

/** Lets libraries of this process find workers, and so many processors. */
export function offerWebWorkers(count) {
  globalThis.Worker = WebWorker;
  Object.defineProperty(globalThis, "navigator", { value: { hardwareConcurrency: count }, configurable: true });
}
