import { appendFileSync, existsSync, readFileSync } from "node:fs";
import { writeFileAtomic } from "./files.ts";
import type { StepMetrics } from "./pretrainer.ts";

/** A line of `metrics.jsonl`. */
export interface LoggedStep extends StepMetrics {
  /** Seconds of this step, data included. */
  readonly seconds: number;
}

/** The metrics of a run, one JSON object a line and step. A resumed run drops what came after its checkpoint. */
export class MetricsLog {
  readonly steps: LoggedStep[];
  #unwritten: LoggedStep[] = [];

  /** @param upTo the step of the checkpoint to go on from; 0 for a new run */
  constructor(
    readonly file: string,
    upTo: number,
  ) {
    this.steps = existsSync(file) ? readSteps(file).filter(({ step }) => step <= upTo) : [];
    writeFileAtomic(file, this.steps.map(toLine).join(""));
  }

  add(step: LoggedStep): void {
    this.steps.push(step);
    this.#unwritten.push(step);
  }

  flush(): void {
    appendFileSync(this.file, this.#unwritten.map(toLine).join(""), { flush: true });
    this.#unwritten = [];
  }
}

const toLine = (step: LoggedStep) => `${JSON.stringify(step)}\n`;

/** A line that a crash cut short is dropped; the steps it belongs to are computed again. */
function readSteps(file: string): LoggedStep[] {
  return readFileSync(file, "utf8")
    .split("\n")
    .flatMap((line) => {
      try {
        return line ? [JSON.parse(line) as LoggedStep] : [];
      } catch {
        return [];
      }
    });
}
