import { getThreads } from "viltgrad";
import type { FromWorker, LoggedStep, ToWorker } from "./messages.ts";
import { Training } from "./training.ts";

// Trains in a thread of its own, which may sleep while others compute and leaves the page free to draw.

/** The page hears of new steps, and the worker of the page, this often. */
const REPORT_MILLISECONDS = 100;
/** The pictures on the page are judged anew this often. */
const GUESS_MILLISECONDS = 1500;

let training: Training | null = null;
let isRunning = false;

const tell = (message: FromWorker) => postMessage(message);
/** Lets messages in. */
const pause = () => new Promise((resolve) => setTimeout(resolve));

addEventListener("message", async ({ data }: MessageEvent<ToWorker>) => {
  try {
    if (data.type === "stop") isRunning = false;
    else await run(data);
  } catch (error) {
    isRunning = false;
    tell({ type: "failed", message: error instanceof Error ? error.message : String(error) });
  }
});

async function run(message: Exclude<ToWorker, { type: "stop" }>): Promise<void> {
  isRunning = true;
  if (message.type === "start") {
    training = await Training.start(message.options);
    tell({ type: "ready", device: training.device, threads: training.device === "wasm" ? getThreads() : null });
    await tellGuesses(training, 0);
  }
  if (training) await train(training);
}

async function train(training: Training): Promise<void> {
  let steps: LoggedStep[] = [];
  let [reported, guessed] = [performance.now(), performance.now()];
  while (isRunning && !training.isDone) {
    const start = performance.now();
    const metrics = await training.step();
    const now = performance.now();
    steps.push({ ...metrics, milliseconds: now - start });
    if (now - reported < REPORT_MILLISECONDS) continue;
    tell({ type: "steps", steps });
    steps = [];
    reported = now;
    if (now - guessed > GUESS_MILLISECONDS) {
      await tellGuesses(training, metrics.step);
      guessed = performance.now();
    }
    await pause();
  }
  isRunning = false;
  if (steps.length > 0) tell({ type: "steps", steps });
  await tellGuesses(training, training.stepCount);
  tell({ type: "stopped", isDone: training.isDone });
}

async function tellGuesses(training: Training, step: number): Promise<void> {
  tell({ type: "guesses", step, guesses: await training.guesses() });
}
