import { Charts } from "./charts.ts";
import type { FromWorker, LoggedStep, ToWorker } from "./messages.ts";
import { percent, showGuesses } from "./pictures.ts";
import type { RunOptions } from "./training.ts";

function find<T extends HTMLElement>(selector: string): T {
  return document.querySelector<T>(selector)!;
}

const form = find<HTMLFormElement>("#controls");
const stop = find<HTMLButtonElement>("#stop");
const save = find<HTMLButtonElement>("#save");
const status = find("#status");
const progress = find<HTMLProgressElement>("#progress");
const charts = new Charts(find("#charts"));

let worker: Worker | null = null;
let isRunning = false;
let log: LoggedStep[] = [];
let place = "";

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const values = new FormData(form);
  const number = (name: string) => Number(values.get(name));
  start({
    device: String(values.get("device")),
    ...{ seed: number("seed"), steps: number("steps"), batchSize: number("batchSize") },
  });
});

stop.addEventListener("click", () => {
  tell({ type: isRunning ? "stop" : "continue" });
  if (isRunning) say("Stopping after this step.");
  else setRunning(true);
});

save.addEventListener("click", () => {
  const lines = log.map((step) => `${JSON.stringify(step)}\n`);
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob(lines, { type: "application/jsonl" }));
  link.download = "metrics.jsonl";
  link.click();
  URL.revokeObjectURL(link.href);
});

/** A run has a worker of its own: what the one before held is gone with it. */
function start(options: RunOptions): void {
  worker?.terminate();
  worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
  worker.onmessage = ({ data }: MessageEvent<FromWorker>) => hear(data);
  worker.onerror = ({ message }) => fail(message || "the worker could not be loaded");
  log = [];
  charts.clear();
  progress.max = options.steps;
  showNumbers();
  setRunning(true);
  say("Loading …");
  tell({ type: "start", options });
}

function tell(message: ToWorker): void {
  worker?.postMessage(message);
}

function hear(message: FromWorker): void {
  switch (message.type) {
    case "ready":
      place = `${message.device}${message.threads === null ? "" : `, ${threadsText(message.threads)}`}`;
      setRunning(true);
      break;
    case "steps":
      log.push(...message.steps);
      charts.add(message.steps);
      showNumbers();
      break;
    case "guesses":
      showGuesses(find("#pictures"), message.guesses);
      break;
    case "stopped":
      setRunning(false, message.isDone);
      say(message.isDone ? `Done, on ${place}.` : `Stopped after step ${log.length}, on ${place}.`);
      break;
    case "failed":
      fail(message.message);
      break;
  }
}

function threadsText(threads: number): string {
  if (threads > 1) return `${threads} threads`;
  return globalThis.crossOriginIsolated ? "one thread" : "one thread (more need a cross-origin isolated page)";
}

function fail(message: string): void {
  setRunning(false, true);
  say(message, true);
}

function setRunning(on: boolean, isOver = false): void {
  isRunning = on;
  stop.disabled = isOver;
  stop.textContent = on || isOver ? "Stop" : "Continue";
  find("#start").textContent = log.length > 0 || on ? "Start anew" : "Start";
  if (on) say(`Training on ${place} …`);
}

function say(text: string, isFailure = false): void {
  status.textContent = text;
  status.classList.toggle("failed", isFailure);
}

/** Steps over which the numbers are means: one alone jumps. */
const RECENT = 20;

function showNumbers(): void {
  const recent = log.slice(-RECENT);
  const mean = (of: (step: LoggedStep) => number) => recent.reduce((sum, step) => sum + of(step), 0) / recent.length;
  const texts = {
    step: `${log.length} / ${progress.max}`,
    time: `${mean(({ milliseconds }) => milliseconds).toFixed(1)} ms`,
    words: percent(mean(({ mlmAccuracy }) => mlmAccuracy)),
    pairs: percent(mean(({ itmAccuracy }) => itmAccuracy)),
  };
  for (const [name, text] of Object.entries(texts))
    find(`[data-of=${name}]`).textContent = recent.length > 0 ? text : "–";
  progress.value = log.length;
  save.disabled = log.length === 0;
}
