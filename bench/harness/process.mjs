// A contender's process, as a thing that can be asked to run: the other end of peers/worker.mjs and of pytorch/turns.py.
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { Cannot } from "./cannot.mjs";

/** Preparing is not timed, but it ends: reading weights, compiling, and three steps for the comparison. */
const PREPARE_SECONDS = 180;

export class ContenderProcess {
  #child;
  #errors = "";
  #waiting = null;
  #ended = null;
  /** What it said of itself: its version and device, with a run the memory that it took. */
  facts = {};

  /**
   * @param command a program and what it begins with; the job follows as JSON
   * @throws {Cannot} when it has no answers in time, saying why
   */
  static async start(command, job) {
    const started = new ContenderProcess(command, job);
    started.facts = await started.#reply(PREPARE_SECONDS * 1000, "no answer");
    return started;
  }

  constructor([program, ...args], job) {
    this.#child = spawn(program, [...args, JSON.stringify(job)]);
    this.#child.on("error", ({ code, message }) =>
      this.#end(
        code === "ENOENT" ? new Cannot(`there is no ${program}`, "not installed") : new Cannot(message, "failed"),
      ),
    );
    this.#child.on("close", (code, signal) => {
      const last = this.#errors.trim().split("\n").at(-1);
      this.#end(new Cannot(`ended with ${signal ?? code}${last ? `: ${last}` : ""}`, "failed"));
    });
    this.#child.stdin.on("error", () => {}); // it ended: "close" tells
    this.#child.stderr.on("data", (text) => (this.#errors = `${this.#errors}${text}`.slice(-1000)));
    createInterface({ input: this.#child.stdout }).on("line", (line) => {
      if (line.startsWith('{"reply"')) this.#settle(JSON.parse(line).reply);
    });
  }

  /** Milliseconds of one run, the mean of so many. What else it tells joins its facts. */
  async run(repeats, limitMs) {
    this.#child.stdin.write(`${repeats}\n`);
    const { ms, ...facts } = await this.#reply(limitMs, "a run had not ended");
    Object.assign(this.facts, facts);
    return ms;
  }

  stop() {
    this.#child.kill("SIGKILL");
  }

  #end(error) {
    this.#ended ??= error;
    this.#waiting?.reject(error);
  }

  #settle(message) {
    const { status, note } = message;
    if (status) this.#end(new Cannot(note, status));
    else this.#waiting?.resolve(message);
  }

  async #reply(limitMs, complaint) {
    if (this.#ended) throw this.#ended;
    let timer;
    try {
      return await new Promise((resolve, reject) => {
        this.#waiting = { resolve, reject };
        timer = setTimeout(() => {
          this.stop();
          reject(new Cannot(`${complaint} after ${Math.round(limitMs / 1000)} s`, "too slow"));
        }, limitMs);
      });
    } finally {
      clearTimeout(timer);
      this.#waiting = null;
    }
  }
}
