import type { StepMetrics } from "viltgrad";
import type { Guess, RunOptions } from "./training.ts";

/** A line of the log: what a step told, and how long it took. */
export type LoggedStep = StepMetrics & { readonly milliseconds: number };

export type ToWorker =
  | { readonly type: "start"; readonly options: RunOptions }
  | { readonly type: "stop" | "continue" };

export type FromWorker =
  | { readonly type: "ready"; readonly device: string; readonly threads: number | null }
  | { readonly type: "steps"; readonly steps: readonly LoggedStep[] }
  | { readonly type: "guesses"; readonly step: number; readonly guesses: readonly Guess[] }
  | { readonly type: "stopped"; readonly isDone: boolean }
  | { readonly type: "failed"; readonly message: string };
