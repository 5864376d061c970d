import cliProgress, { type SingleBar } from "cli-progress";

/** A bar on standard error; where that is no terminal, a line every five seconds. */
export function progressBar(format: string): SingleBar {
  return new cliProgress.SingleBar(
    { format, noTTYOutput: true, notTTYSchedule: 5000, barsize: 20, stream: process.stderr, gracefulExit: false },
    cliProgress.Presets.shades_classic,
  );
}

/** Exponential averages by name; the first value stands for itself. */
export class Smooth {
  readonly #values: Record<string, number> = {};

  average(name: string, value: number): number {
    const before = this.#values[name] ?? value;
    this.#values[name] = 0.95 * before + 0.05 * value;
    return this.#values[name];
  }
}

/** Notes Ctrl-C and a request to end, so that work can stop at a step's end and save; `end` stops watching. */
export function watchInterruption(): { readonly happened: () => boolean; readonly end: () => void } {
  let interrupted = false;
  const note = () => {
    interrupted = true;
  };
  process.once("SIGINT", note);
  process.once("SIGTERM", note);
  return {
    happened: () => interrupted,
    end() {
      process.removeListener("SIGINT", note);
      process.removeListener("SIGTERM", note);
    },
  };
}

export function formatDuration(seconds: number): string {
  if (seconds < 60) return `${Math.ceil(seconds)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${String(Math.round(seconds % 60)).padStart(2, "0")} s`;
  return `${(seconds / 3600).toFixed(1)} h`;
}

/** A path or name as a shell takes it. */
export function quoted(name: string): string {
  return /^[\w./-]+$/.test(name) ? name : JSON.stringify(name);
}
